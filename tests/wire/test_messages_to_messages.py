from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from anthropic_samples import (
    OPUS,
    STOP,
    USER,
    failed,
    grew,
    messages,
    opened,
    opened_call,
    sse,
    start,
    stopped,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.exchange import ChatRequest
from gateway.wire.anthropic_messages import AnthropicMessages
from gateway.wire.messages_to_messages import MessagesRelay, MessagesToMessages
from policies.pricing import Usage

STREAMS = sorted((Path(__file__).parents[1] / "corpus/messages_streams").glob("*.sse"))
BRIDGE = MessagesToMessages()


def relay() -> MessagesRelay:
    """Return a fresh relay."""
    return BRIDGE.relay(messages(stream=True))


def test_only_the_model_changes() -> None:
    """A body passes byte for byte but for the model's name, odd spacing and unknown fields included."""
    raw = (
        b'{ "model" : "claude-opus-4-9",\n "max_tokens":5, "new":[1.0,{"model":"x"}],'
        b'"messages":[{"role":"user","content":"\\u00e9 \xc3\xa9","cache_control":{"type":"ephemeral"}}] }'
    )

    sent = BRIDGE.request(AnthropicMessages().parse_request(raw), OPUS)

    assert sent == raw.replace(b'"claude-opus-4-9"', b'"claude-opus-4-1"')


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_tokens": 64_000}, {"max_tokens": 32_000}),
        (
            {"max_tokens": 64_000, "thinking": {"type": "enabled", "budget_tokens": 31_999}},
            {"max_tokens": 32_000, "thinking": {"type": "enabled", "budget_tokens": 31_999}},
        ),
        (
            {"max_tokens": 64_000, "thinking": {"type": "enabled", "budget_tokens": 40_000}},
            {"max_tokens": 32_000, "thinking": {"type": "enabled", "budget_tokens": 16_000}},
        ),
        ({"max_tokens": 10}, {"max_tokens": 10}),
    ],
)
def test_limits_fit_the_model(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """A limit meant for a larger model is cut to what this one can write."""
    body = json.loads(BRIDGE.request(messages(**fields), OPUS))

    assert {name: body[name] for name in expected} == expected


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(min_value=0), max_size=12))
def test_streams_pass_byte_for_byte(path: Path, cuts: list[int]) -> None:
    """A stream passes unchanged however it is cut, its end held back until `finish`."""
    stream = path.read_bytes()
    one = relay()
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]

    fed = b"".join(one.feed(stream[a:b]) for a, b in pairwise(edges))
    one.close()

    assert one.fault is None
    assert fed + one.finish(None) == stream
    assert b"message_stop" not in fed


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_usage_of_stream_and_answer_agree(path: Path) -> None:
    """Usage is the same whichever way the answer came."""
    one = relay()
    one.feed(path.read_bytes())

    answer = BRIDGE.answer(messages(), path.with_suffix(".json").read_bytes())

    assert one.usage == answer.usage
    assert answer.usage is not None


def test_whole_events_only() -> None:
    """Half an event waits for its other half."""
    one = relay()
    stream = sse(start(), grew(0, "text", "hello"))

    assert one.feed(stream[:-5]) == sse(start())
    assert one.feed(stream[-5:]) == sse(grew(0, "text", "hello"))


def test_comments_and_novelties_pass() -> None:
    """What is not known passes too."""
    odd = b": keep-alive\n\n" + sse({"type": "event_of_tomorrow", "x": [1]})

    assert relay().feed(odd) == odd


def test_receipt_rides_on_the_end() -> None:
    """The receipt stands in `message_stop`, where other vendors put their own metrics."""
    one = relay()
    one.feed(sse(start(), stopped(), STOP))

    end = one.finish({"cost_nano": 5})

    assert end.startswith(b"event: message_stop\ndata: ")
    assert json.loads(end.split(b"data: ")[1]) == {"type": "message_stop", "gateway": {"cost_nano": 5}}


@pytest.mark.parametrize(
    ("event", "output"),
    [
        (opened(0, "text", text=""), False),
        (grew(0, "text", ""), False),
        (grew(0, "signature", "Eq"), False),
        (opened(0, "text", text="x"), True),
        (grew(0, "text", "x"), True),
        (grew(0, "thinking", "x"), True),
        (grew(0, "input_json", "{"), True),
        (opened_call(0, "t"), True),
    ],
)
def test_output_begins(event: dict[str, Any], output: bool) -> None:  # noqa: FBT001 - a table's column
    """Text, reasoning and tool calls are output; frames round them are not."""
    one = relay()
    one.feed(sse(start(), event))

    assert one.has_output is output


def test_error_event_is_not_passed_on() -> None:
    """An error becomes a fault of its kind; the gateway says it in its own words."""
    one = relay()

    passed = one.feed(sse(start(), grew(0, "text", "x"), failed("rate_limit_error"), STOP))

    assert one.fault is not None
    assert one.fault.kind == "rate_limited"
    assert passed == sse(start(), grew(0, "text", "x"))
    assert one.feed(sse(STOP)) + one.finish({"a": 1}) == b""


def test_silent_truncation_is_a_fault() -> None:
    """A stream without `message_stop` is cut off, and what was delivered is estimated."""
    one = relay()
    one.feed(sse(start(output_tokens=1), grew(0, "text", "word " * 40)))
    one.close()

    assert one.fault is not None
    assert one.fault.kind == "cut_off"
    assert one.usage == Usage(input_tokens=10, output_tokens=50, estimated=True)
    assert one.finish(None) == b""


def test_too_long_an_event_is_a_fault() -> None:
    """An event beyond the bound is not gathered for ever."""
    one = relay()
    one.feed(b"event: x\ndata: " + b"x" * 9_000_000)

    assert one.fault is not None
    assert one.fault.kind == "garbled"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}', "overloaded"),
        (b'{"error":{"code":"1113","message":"recharge"}}', "account_empty"),
        (b'{"type":"message"}', "garbled"),
        (b"<html>", "garbled"),
    ],
)
def test_no_answer_in_a_200(body: bytes, kind: str) -> None:
    """An error, or what cannot be read, in a 200 is a fault and has no body."""
    answer = MessagesToMessages("zai").answer(messages(), body)

    assert answer.fault is not None
    assert answer.fault.kind == kind
    assert answer.body == b""


def test_answer_passes_byte_for_byte() -> None:
    """A complete answer passes unchanged."""
    body = b'{"id":"m","content":[{"type":"novel", "x":1.0}], "usage":{"input_tokens":1,"output_tokens":2}}'

    answer = BRIDGE.answer(messages(), body)

    assert answer.body == body
    assert answer.usage == Usage(input_tokens=1, output_tokens=2)


def test_glm_gets_its_own_thinking_back() -> None:
    """Another vendor's thinking is taken out for Claude only."""
    thought: dict[str, Any] = {"type": "thinking", "thinking": "hm", "signature": "a3f0c1"}
    request: ChatRequest = messages(messages=[USER, {"role": "assistant", "content": [thought]}, USER])

    assert b"a3f0c1" in BRIDGE.request(request, replace(OPUS, provider="zai", model="glm-4.5"))
    assert b"a3f0c1" not in BRIDGE.request(request, OPUS)


def test_what_follows_the_end_is_kept_with_it() -> None:
    """Bytes after `message_stop` come with it, and cannot spoil the answer."""
    one = relay()
    rest = sse(STOP) + b"data: nonsense\n\n"

    assert one.feed(sse(start(), stopped()) + rest) == sse(start(), stopped())
    assert one.fault is None
    assert one.finish(None) == rest
