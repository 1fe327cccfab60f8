from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic_samples import (
    OPUS,
    PING,
    SIGNATURE,
    STOP,
    failed,
    grew,
    opened,
    opened_call,
    shut,
    sse,
    start,
    stopped,
)
from matrix_samples import BRIDGES, RECEIPT, carried, events, openai_client, responses
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from gateway.errors import InvalidRequest, Unsupported
from gateway.wire.openai_responses.sealed import seal, unseal

EVENT: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)
BRIDGE = BRIDGES.between("responses", "messages", "anthropic")
PATCH = {"type": "custom", "name": "apply_patch", "description": "Edits."}
THOUGHT = [
    opened(0, "thinking", thinking="", signature=""),
    grew(0, "thinking", "h"),
    grew(0, "thinking", "m"),
    grew(0, "signature", SIGNATURE[:9]),
    grew(0, "signature", SIGNATURE[9:]),
    shut(0),
]
WHOLE = sse(
    start(cache_read_input_tokens=90),
    *THOUGHT,
    opened(1, "redacted_thinking", data=SIGNATURE),
    PING,
    opened(2, "text", text=""),
    grew(2, "text", "Hé"),
    grew(2, "text", "y"),
    shut(2),
    opened_call(3, "toolu_1", "apply_patch"),
    grew(3, "input_json", '{"input":'),
    grew(3, "input_json", '"***"}'),
    shut(3),
    stopped("tool_use"),
    STOP,
)


def sent(**fields: object) -> dict[str, Any]:
    """Return what a Responses request looks like at Anthropic."""
    body: dict[str, Any] = json.loads(BRIDGE.request(responses(**fields), OPUS))
    return body


def finished(stream: bytes, **fields: object) -> dict[str, Any]:
    """Return the response a stream ends with."""
    response: dict[str, Any] = events(carried(BRIDGE.relay(responses(**fields)), stream))[-1]["response"]
    return response


def test_official_client_accumulates() -> None:
    """OpenAI's own client follows Claude's stream to the response that was meant."""
    client = openai_client(carried(BRIDGE.relay(responses(tools=[PATCH])), WHOLE))

    with client.responses.stream(model="m", input="x") as stream:
        response = stream.get_final_response()

    assert [item.type for item in response.output] == [
        *("reasoning", "reasoning", "message", "custom_tool_call"),
    ]
    assert (response.output_text, response.output[3].input) == ("Héy", "***")
    assert response.usage is not None
    assert response.usage.input_tokens_details.cached_tokens == 90


def test_every_event_has_openais_shape() -> None:
    """Numbers grow one by one, and the receipt comes with the last event."""
    found = events(carried(BRIDGE.relay(responses(tools=[PATCH])), WHOLE))

    for number, event in enumerate(found):
        EVENT.validate_python(event)
        assert event["sequence_number"] == number
    assert found[-1]["gateway"] == RECEIPT


def test_signed_thinking_makes_the_round() -> None:
    """Claude's signed thinking reaches the client sealed, in place, and Claude again as it was."""
    output = finished(WHOLE, tools=[PATCH])["output"]
    result = {"type": "custom_tool_call_output", "call_id": "toolu_1", "output": "done"}

    body = sent(
        input=[{"role": "user", "content": "go"}, *output, result],
        tools=[PATCH],
        reasoning={"effort": "medium"},
    )

    said = body["messages"][1]["content"]
    assert said[:2] == [
        {"type": "thinking", "thinking": "hm", "signature": SIGNATURE},
        {"type": "redacted_thinking", "data": SIGNATURE},
    ]
    assert said[-1]["input"] == {"input": "***"}
    assert body["thinking"]["type"] == "enabled"


def test_stream_and_answer_agree() -> None:
    """A complete answer is the response its stream would have ended with."""
    content = [
        {"type": "thinking", "thinking": "hm", "signature": SIGNATURE},
        {"type": "redacted_thinking", "data": SIGNATURE},
        {"type": "text", "text": "Héy"},
        {"type": "tool_use", "id": "toolu_1", "name": "apply_patch", "input": {"input": "***"}},
    ]
    usage = {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 20}
    message = {
        "id": "msg_1", "type": "message", "model": "claude-opus-4-1", "content": content,
        "stop_reason": "tool_use", "usage": usage,
    }  # fmt: skip

    whole = BRIDGE.answer(responses(tools=[PATCH]), json.dumps(message).encode())

    assert json.loads(whole.body) == finished(WHOLE, tools=[PATCH])


def test_images_stay_in_their_result() -> None:
    """Anthropic takes images inside a tool's result, so they stay there."""
    image = {"type": "input_image", "image_url": "data:image/png;base64,AA"}
    body = sent(
        input=[
            {"role": "user", "content": "go"},
            {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"},
            {"type": "function_call_output", "call_id": "c", "output": [image]},
        ]
    )

    (result,) = body["messages"][2]["content"]
    assert (result["type"], result["content"][0]["type"]) == ("tool_result", "image")


def test_schema_comes_by_way_of_the_helper() -> None:
    """A demanded schema is met by the helper tool, which the client never sees."""
    text = {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}}
    name = sent(text=text)["tool_choice"]["name"]
    stream = sse(
        start(), opened_call(0, "t", name), grew(0, "input_json", '{"a":1}'), stopped("tool_use"), STOP
    )

    response = finished(stream, text=text)

    (item,) = response["output"]
    assert (item["type"], item["content"][0]["text"]) == ("message", '{"a":1}')


@pytest.mark.parametrize(
    ("error", "fields", "param"),
    [
        (Unsupported, {"text": {"format": {"type": "json_schema", "schema": {"type": "array"}}}}, "text.format"),
        (InvalidRequest, {"reasoning": {"effort": "huge"}}, "reasoning.effort"),
        (
            Unsupported,
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/x;base64,A"}]}]},
            "input",
        ),
    ],
)  # fmt: skip
def test_refusals_by_the_clients_names(error: type[Exception], fields: dict[str, Any], param: str) -> None:
    """What the way over chat refuses is named as the client knows it."""
    with pytest.raises(error) as caught:
        sent(**fields)

    assert caught.value.param == param  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        (sse(start(), opened(0, "text", text="half")), "cut_off"),
        (sse(start(), failed()), "overloaded"),
        (sse(start()) + b"data: nonsense\n\n", "garbled"),
        (b"<html>\n\n", "garbled"),
    ],
)
def test_faults(stream: bytes, kind: str) -> None:
    """A stream that breaks is a fault of its kind and is never completed."""
    one = BRIDGE.relay(responses())
    one.feed(stream)
    one.close()

    assert one.fault is not None
    assert one.fault.kind == kind
    assert one.finish(RECEIPT) == b""


def test_late_end_without_blank_line() -> None:
    """A last event whose blank line never came still ends the response."""
    assert finished(WHOLE[:-2], tools=[PATCH])["status"] == "completed"


@pytest.mark.parametrize("text", [None, "", "gAAAA", "gateway1.!", "gateway1.e30=", seal([])])
def test_foreign_seals_open_to_nothing(text: str | None) -> None:
    """What this gateway did not seal is nobody's thinking."""
    assert unseal(text) == []
