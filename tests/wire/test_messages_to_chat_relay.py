from __future__ import annotations

import json

import anthropic
import pytest
from anthropic.types import RawMessageStreamEvent
from anthropic_samples import messages
from matrix_samples import (
    BRIDGES,
    DONE,
    RECEIPT,
    USAGE,
    anthropic_client,
    called,
    carried,
    chunk,
    events,
)
from pydantic import TypeAdapter

from gateway.errors import Overloaded
from gateway.wire.anthropic_messages import AnthropicMessages
from gateway.wire.base import Relay

EVENT: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)
WHOLE = (
    chunk({"role": "assistant", "reasoning_content": "h"})
    + chunk({"reasoning_content": "m"})
    + b": keep-alive\n\n"
    + chunk({"content": "Hé"})
    + chunk({"content": "y"})
    + called(0, '{"a":1}', "c1")
    + called(1, '{"b":', "c2", "g")
    + called(1, "2}")
    + chunk({}, "tool_calls", usage=USAGE)
    + DONE
)


def relay(provider: str = "zai") -> Relay:
    """Return a fresh relay."""
    return BRIDGES.between("messages", "chat", provider).relay(messages(stream=True))


def test_official_client_accumulates() -> None:
    """Anthropic's own client puts the stream together to the message that was meant."""
    sent = carried(relay(), WHOLE)

    with anthropic_client(sent).messages.stream(model="m", max_tokens=9, messages=[]) as stream:
        message = stream.get_final_message()

    assert [block.to_dict(mode="json") for block in message.content] == [
        {"type": "thinking", "thinking": "hm", "signature": ""},
        {"type": "text", "text": "Héy"},
        {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "c2", "name": "g", "input": {"b": 2}},
    ]
    assert (message.stop_reason, message.model) == ("tool_use", "glm-4.5")
    assert (message.usage.input_tokens, message.usage.cache_read_input_tokens) == (10, 20)


def test_event_order() -> None:
    """Each event has Anthropic's shape; blocks come one after the other, the ending once and last."""
    found = events(carried(relay(), WHOLE))

    for event in found:
        EVENT.validate_python(event)
    kinds = [event["type"].removeprefix("content_block_") for event in found]
    block = ["start", "delta", "stop"]
    grown = ["start", "delta", "delta", "stop"]
    assert kinds == ["message_start", *grown, *grown, *block, *grown, "message_delta", "message_stop"]
    assert [event["index"] for event in found if event["type"] == "content_block_start"] == [0, 1, 2, 3]
    assert found[-1]["gateway"] == RECEIPT


def test_ending_is_held() -> None:
    """Nothing of the ending is sent before the books are closed."""
    one = relay()

    sent = one.feed(WHOLE)
    one.close()

    assert b"message_delta" not in sent
    assert b": keep-alive\n\n" in sent
    assert [event["type"] for event in events(one.finish(None))][-2:] == ["message_delta", "message_stop"]


def test_interleaved_calls_are_told_apart() -> None:
    """Calls that grow in turns come one after the other, each with its own arguments."""
    inputs = ['{"path": "a",  "n":1}', '{"q":"x y"}', '{"list":[1,{"b":null}]}']
    pieces = [(i, text[at : at + 5]) for at in range(0, 25, 5) for i, text in enumerate(inputs) if text[at:]]
    begin = b"".join([called(i, "", f"c{i}", f"f{i}") for i in range(3)])
    stream = begin + b"".join([called(i, piece) for i, piece in pieces]) + chunk({}, "tool_calls") + DONE

    found = events(carried(relay("openai"), stream))

    texts = ["", "", ""]
    for event in found:
        if event["type"] == "content_block_delta":
            texts[event["index"]] += event["delta"]["partial_json"]
    assert texts == inputs
    places = [event["index"] for event in found if "index" in event]
    assert places == sorted(places)


def test_text_amid_a_call_follows_it() -> None:
    """Text that comes before a call is whole does not tear it apart."""
    stream = (
        called(0, '{"a"', "c1")
        + chunk({"content": "wait"})
        + called(0, ":1}")
        + chunk({}, "tool_calls")
        + DONE
    )

    with anthropic_client(carried(relay(), stream)).messages.stream(
        model="m", max_tokens=9, messages=[]
    ) as one:
        content = one.get_final_message().content

    assert [block.type for block in content] == ["tool_use", "text"]
    assert content[0].input == {"a": 1}


def test_call_without_arguments() -> None:
    """A call without arguments has an empty input."""
    sent = carried(relay(), called(0, "", "c1") + chunk({}, "tool_calls") + DONE)

    with anthropic_client(sent).messages.stream(model="m", max_tokens=9, messages=[]) as stream:
        assert [block.input for block in stream.get_final_message().content] == [{}]


def test_unknown_usage_is_estimated() -> None:
    """A vendor without usage still has an ending with the tokens that were seen."""
    sent = carried(relay(), chunk({"content": "one"}) + chunk({"content": "two"}, "stop") + DONE)

    assert events(sent)[-2]["usage"]["output_tokens"] == 2


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        (chunk({"content": "half"}), "cut_off"),
        (b'data: {"error":{"code":"1305","message":"temporarily overloaded"}}\n\n', "overloaded"),
        (b"data: nonsense\n\n", "garbled"),
        (chunk({"content": {"odd": 1}}), "garbled"),
    ],
)
def test_faults(stream: bytes, kind: str) -> None:
    """A stream that breaks is a fault of its kind and has no ending."""
    one = relay()
    one.feed(chunk({"role": "assistant", "content": ""}) + stream)
    one.close()

    assert one.fault is not None
    assert one.fault.kind == kind
    assert one.finish(RECEIPT) == b""


def test_role_alone_is_no_output() -> None:
    """Until something is said, a failure may still fall back to another deployment."""
    one = relay()

    assert [event["type"] for event in events(one.feed(chunk({"role": "assistant", "content": ""})))] == [
        "message_start"
    ]
    assert not one.has_output
    one.feed(chunk({"content": "x"}))
    assert one.has_output


def test_error_event_raises_in_the_client() -> None:
    """A stream that fails half-way ends in the error Anthropic's client raises."""
    sent = relay().feed(chunk({"content": "half"})) + AnthropicMessages().error_event(
        Overloaded("busy"), "req_1"
    )

    with (
        pytest.raises(anthropic.APIStatusError, match="busy"),
        anthropic_client(sent).messages.stream(model="m", max_tokens=9, messages=[]) as stream,
    ):
        stream.get_final_message()


def test_model_of_a_silent_vendor() -> None:
    """The asked model stands in where the vendor names none."""
    stream = b'data: {"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}\n\n' + DONE

    start = events(carried(relay(), stream))[0]

    assert (start["message"]["model"], json.dumps(start)[:3]) == ("claude-x", '{"t')
