from __future__ import annotations

import pytest
from anthropic_samples import grew, opened, sse, stopped

from gateway.wire.anthropic_events import (
    BlockDelta,
    BlockStart,
    ErrorEvent,
    MessageDelta,
    MessageStop,
    StopDelta,
    TextDelta,
    read_event,
)
from gateway.wire.anthropic_types import UNREADABLE, ToolUseBlock

DELTA = BlockDelta(3, TextDelta("x"))


@pytest.mark.parametrize(
    "raw",
    [
        sse(grew(3, "text", "x")),
        sse(grew(3, "text", "x")).replace(b"\n", b"\r\n"),
        sse(grew(3, "text", "x")).replace(b": ", b":"),
        sse(grew(3, "text", "x")).split(b"\n", 1)[1],
        b": hello\n" + sse(grew(3, "text", "x") | {"new_field": {"a": 1}}),
    ],
)
def test_framing_does_not_matter(raw: bytes) -> None:
    """The same event reads the same in every framing SSE allows."""
    assert read_event(raw) == DELTA


@pytest.mark.parametrize(
    "raw",
    [
        sse({"type": "ping"}),
        sse({"type": "event_of_tomorrow", "error": None}),
        sse(opened(0, "server_tool_use", id=5)),
        sse({"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta"}}),
        b": keep-alive\n\n",
        b"data: [DONE]\n\n",
    ],
)
def test_what_means_nothing_here(raw: bytes) -> None:
    """Comments and kinds that are not known read as None."""
    assert read_event(raw) is None


def test_vendor_quirks() -> None:
    """Nulls and left-out fields of compatible vendors do not break known events."""
    assert read_event(b'data: {"type":"message_delta","usage":null}\n\n') == MessageDelta(StopDelta(), None)
    assert read_event(b'data: {"type":"message_stop","x":1}\n\n') == MessageStop()
    started = read_event(sse(opened(1, "tool_use", id="t", name="f")))
    assert isinstance(started, BlockStart)
    assert isinstance(started.content_block, ToolUseBlock)


@pytest.mark.parametrize("data", [b'{"error":{"message":"x"}}', b'{"type":"error","error":{"message":"x"}}'])
def test_errors_with_and_without_a_type(data: bytes) -> None:
    """An `error` object is an error whether or not the event names its type."""
    found = read_event(b"event: error\ndata: %b\n\n" % data)

    assert isinstance(found, ErrorEvent)
    assert bytes(found.error) == b'{"message":"x"}'


@pytest.mark.parametrize(
    "raw",
    [
        b"data: nonsense\n\n",
        b'data: {"type":"content_block_delta"}\n\n',
        sse(opened(0, "text")),
        sse(grew(0, "text", "x")).replace(b'"x"', b'"\xff"'),
        b"<html>\n\n",
        sse(grew(0, "text", "x")).replace(b'"x"', b"null"),
        b'data: {"type":"message_start","message":' + b"[" * 100_000 + b"\n\n",
    ],
)
def test_broken_events(raw: bytes) -> None:
    """A known event that lacks what it must hold is never passed over."""
    with pytest.raises(UNREADABLE):
        read_event(raw)


def test_stopped_reads_usage() -> None:
    """The last count is read with its stop reason."""
    found = read_event(sse(stopped("max_tokens", output_tokens=3)))

    assert isinstance(found, MessageDelta)
    assert (found.delta.stop_reason, found.usage and found.usage.output_tokens) == ("max_tokens", 3)
