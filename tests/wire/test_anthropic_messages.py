from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic_samples import USER, messages, text

from gateway.errors import BudgetExceeded, InvalidRequest, Overloaded
from gateway.wire.anthropic_messages import AnthropicMessages

CODEC = AnthropicMessages()
IMAGE = {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}}


def test_view_of_a_request() -> None:
    """Everything routing asks for is read, and the bytes stay."""
    request = messages(
        system=[text("be brief")],
        stream=True,
        tools=[{"name": "f", "input_schema": {}}],
        metadata={"user_id": "u-1"},
        output_config={"format": {"type": "json_schema", "schema": {}}},
        unknown={"a": 1},
    )

    assert (request.dialect, request.model, request.stream, request.include_usage) == (
        "messages",
        "claude-x",
        True,
        True,
    )
    assert (request.max_output_tokens, request.choices, len(request.messages)) == (100, 1, 1)
    assert (request.has_tools, request.json_schema, request.user) == (True, True, "u-1")
    assert request.system is not None
    assert json.loads(request.raw)["unknown"] == {"a": 1}


def test_smallest_view() -> None:
    """What is not said is not assumed; `count_tokens` bodies have no limit."""
    request = CODEC.parse_request(b'{"model":"m","messages":[{"role":"user","content":"x"}],"system":null}')

    assert (request.max_output_tokens, request.system, request.user, request.metadata) == (None,) * 4
    assert (request.has_tools, request.has_images, request.json_schema, request.stream) == (False,) * 4


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        ([IMAGE], True),
        ([{"type": "tool_result", "tool_use_id": "t", "content": [IMAGE]}], True),
        ([text('the word "image" and {"type":"image"}')], False),
        ([{"type": "tool_use", "id": "t", "name": "image", "input": {"type": "image"}}], False),
    ],
)
def test_images_are_seen(content: list[dict[str, Any]], seen: bool) -> None:  # noqa: FBT001 - a table's column
    """Images count wherever they stand; the mere word does not."""
    assert messages(messages=[{"role": "user", "content": content}]).has_images is seen


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        (b"{", None),
        (b"[]", None),
        (b"\xff{}", None),
        (b'{"messages":[{}]}', "model"),
        (b'{"model":"m"}', "messages"),
        (b'{"model":"m","messages":[]}', "messages"),
        (b'{"model":5,"messages":[{}]}', "model"),
        (b'{"model":"m","messages":[{}],"max_tokens":"many"}', "max_tokens"),
        (b'{"model":"m","messages":[{}],"metadata":{"user_id":5}}', "metadata.user_id"),
        (b'{"model":"m","messages":' + b"[" * 100_000, None),
    ],
)
def test_malformed_requests(raw: bytes, param: str | None) -> None:
    """A body that cannot be read is refused, with the name of the field at fault."""
    with pytest.raises(InvalidRequest) as caught:
        CODEC.parse_request(raw)

    assert caught.value.param == param


def test_error_body() -> None:
    """Errors have Anthropic's shape and type."""
    body = json.loads(CODEC.error_body(BudgetExceeded("no money is left"), "req_1"))

    assert body == {
        "type": "error",
        "error": {"type": "rate_limit_error", "message": "no money is left"},
        "request_id": "req_1",
    }


def test_error_event() -> None:
    """A stream ends with one `error` event."""
    event = CODEC.error_event(Overloaded("too busy; try again"), "req_1")

    assert event.startswith(b"event: error\ndata: {")
    assert event.endswith(b"}\n\n")
    assert b'"overloaded_error"' in event


def test_turns_are_lazy() -> None:
    """Only the messages asked for are decoded; a broken old one does not matter."""
    request = messages(messages=[{"role": ["broken"]}, USER])

    assert next(iter(CODEC.turns(request))).parts == ("hello",)
