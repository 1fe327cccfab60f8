from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from matrix_samples import events, openai_client, responses

from gateway.errors import (
    BudgetExceeded,
    ContextTooLong,
    GatewayError,
    InvalidRequest,
    UpstreamGarbled,
    UpstreamRateLimited,
)
from gateway.wire.openai_responses.codec import OpenAIResponses
from policies.facts import Turn

CODEC = OpenAIResponses()
IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AA"}


def message(role: str, *texts: str) -> dict[str, Any]:
    """Return a message item."""
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text} for text in texts]}


def test_view_of_a_request() -> None:
    """Everything routing asks for is read, and the bytes stay."""
    request = responses(
        input=[message("user", "x"), {"role": "user", "content": [IMAGE]}],
        instructions="be brief",
        stream=True,
        store=False,
        tools=[{"type": "function", "name": "f"}],
        text={"format": {"type": "json_schema", "name": "n", "schema": {}}},
        max_output_tokens=50,
        safety_identifier="u",
        metadata={"service": "billing", "odd": "5"},
        unknown=1,
    )

    assert (request.dialect, request.model, request.max_output_tokens) == ("responses", "gpt-x", 50)
    assert (request.stream, request.include_usage, request.has_images, request.has_tools) == (True,) * 4
    assert (request.json_schema, request.user, len(request.messages)) == (True, "u", 2)
    assert request.metadata == {"service": "billing", "odd": "5"}
    assert json.loads(request.raw)["unknown"] == 1


def test_smallest_view() -> None:
    """A bare string is one user's message; what is not said is not assumed."""
    request = CODEC.parse_request(b'{"model":"m","input":"hi","instructions":null,"reasoning":null}')

    assert list(CODEC.turns(request)) == [Turn(role="user", parts=("hi",))]
    assert (request.system, request.user, request.metadata, request.max_output_tokens) == (None,) * 4
    assert (request.stream, request.has_tools, request.has_images, request.json_schema) == (False,) * 4


def test_turns() -> None:
    """Items are turns, newest first; reasoning is none; developers and instructions come last."""
    request = responses(
        instructions="you are Codex",
        input=[
            message("developer", "rules"),
            message("user", "fix", "it"),
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
            message("assistant", "ok"),
            {"type": "function_call", "name": "shell", "arguments": '{"a"', "call_id": "c"},
            {"type": "custom_tool_call", "name": "apply_patch", "input": "***", "call_id": "d"},
            {"type": "function_call_output", "call_id": "c", "output": [IMAGE]},
            {
                "type": "custom_tool_call_output",
                "call_id": "d",
                "output": {"content": "no", "success": False},
            },
        ],
    )

    assert list(CODEC.turns(request)) == [
        Turn(role="tool", parts=("no",), tool_failed=True),
        Turn(role="tool", images=1),
        Turn(role="assistant", tool_calls=("apply_patch",)),
        Turn(role="assistant", tool_calls=("shell",), tool_arguments_broken=True),
        Turn(role="assistant", parts=("ok",)),
        Turn(role="user", parts=("fix", "it")),
        Turn(role="system", parts=("rules",)),
        Turn(role="system", parts=("you are Codex",)),
    ]


def test_odd_item_hides_nothing() -> None:
    """An item that does not fit the dialect is judged by its own text."""
    (turn,) = CODEC.turns(responses(input=[{"role": "user", "content": {"text": "secret"}}]))

    assert "secret" in turn.parts[0]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"store": True}, "store"),
        ({"background": True}, "background"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
    ],
)
def test_stored_state_is_refused(fields: dict[str, Any], param: str) -> None:
    """Whatever needs what this gateway does not keep is refused in so many words."""
    with pytest.raises(InvalidRequest) as caught:
        responses(**fields)

    assert caught.value.param == param


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        (b"{", None),
        (b"[]", None),
        (b"\xff{}", None),
        (b'{"input":"x"}', "model"),
        (b'{"model":"m"}', "input"),
        (b'{"model":"m","input":[]}', "input"),
        (b'{"model":"m","input":[5]}', "input[0]"),
        (b'{"model":"m","input":[{"role":"robot"}]}', "input[0].role"),
        (b'{"model":"m","input":"x","max_output_tokens":0}', "max_output_tokens"),
        (b'{"model":"m","input":"x","text":{"format":5}}', "text.format"),
        (b'{"model":"m","input":' + b"[" * 100_000, None),
    ],
)
def test_malformed_requests(raw: bytes, param: str | None) -> None:
    """A body that cannot be read is refused, with the name of the field at fault."""
    with pytest.raises(InvalidRequest) as caught:
        CODEC.parse_request(raw)

    assert caught.value.param == param


def test_error_body() -> None:
    """Errors have OpenAI's shape."""
    body = json.loads(CODEC.error_body(InvalidRequest("no", param="input"), "req_1"))

    assert body["error"] == {"message": "no", "type": "invalid_request_error", "param": "input", "code": None}


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ContextTooLong("too long"), "context_length_exceeded", "too long"),
        (BudgetExceeded("no money"), "insufficient_quota", "no money"),
        (
            UpstreamRateLimited("busy", retry_after_s=2.5),
            "rate_limit_exceeded",
            "busy. Please try again in 2.500s.",
        ),
        (UpstreamGarbled("broken"), "server_error", "broken"),
    ],
)
def test_error_events(error: GatewayError, code: str, words: str) -> None:
    """A broken stream ends in `error` and in `response.failed` with a code Codex knows."""
    first, last = events(CODEC.error_event(error, "req_1"))

    assert (first["type"], first["message"]) == ("error", error.message)
    assert last["response"]["error"] == {"code": code, "message": words}
    assert (last["response"]["id"], last["response"]["status"]) == ("resp_1", "failed")
    assert last["sequence_number"] > first["sequence_number"] > 1_000_000


def test_error_event_raises_in_the_client() -> None:
    """OpenAI's own client raises what ends the stream."""
    client = openai_client(CODEC.error_event(UpstreamGarbled("broken"), "req_1"))

    with pytest.raises(openai.APIError, match="broken"):
        list(client.responses.create(model="m", input="x", stream=True))
