"""The events of an Anthropic stream as types, and how one is read from its bytes.

Reading is tolerant: unknown fields are ignored, and unknown events, blocks and deltas read as None.
Source: https://docs.claude.com/en/docs/build-with-claude/streaming
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from gateway.wire.anthropic_types import ABSENT, KNOWN_BLOCKS, UNREADABLE, ReceivedBlock, WireUsage
from gateway.wire.sse import parse_block


class TextDelta(Struct, tag_field="type", tag="text_delta", gc=False):
    """More text."""

    text: str


class ThinkingDelta(Struct, tag_field="type", tag="thinking_delta", gc=False):
    """More reasoning."""

    thinking: str


class SignatureDelta(Struct, tag_field="type", tag="signature_delta", gc=False):
    """The signature of the reasoning just streamed."""

    signature: str


class InputJsonDelta(Struct, tag_field="type", tag="input_json_delta", gc=False):
    """More of a tool's input, as a fragment of JSON text."""

    partial_json: str


class StopDelta(Struct, gc=False):
    """Why the model stopped."""

    stop_reason: str | None = None


class StartedMessage(Struct):
    """What is known of the answer when it begins."""

    id: str = ""
    model: str = ""
    usage: WireUsage | None = None


class MessageStart(Struct, tag_field="type", tag="message_start"):
    """The answer begins."""

    message: StartedMessage


class BlockStart(Struct, tag_field="type", tag="content_block_start"):
    """A block begins."""

    index: int
    content_block: ReceivedBlock


class BlockDelta(Struct, tag_field="type", tag="content_block_delta"):
    """A block grows."""

    index: int
    delta: TextDelta | InputJsonDelta | ThinkingDelta | SignatureDelta


class BlockStop(Struct, tag_field="type", tag="content_block_stop", gc=False):
    """A block is complete."""

    index: int


class MessageDelta(Struct, tag_field="type", tag="message_delta"):
    """The answer's stop reason and its usage so far."""

    delta: StopDelta = msgspec.field(default_factory=StopDelta)
    usage: WireUsage | None = None


class MessageStop(Struct, tag_field="type", tag="message_stop"):
    """The answer is complete."""


class ErrorEvent(Struct, tag_field="type", tag="error"):
    """The answer failed; `error` is the vendor's own object."""

    error: Raw


StreamEvent = MessageStart | BlockStart | BlockDelta | BlockStop | MessageDelta | MessageStop | ErrorEvent


class _Kind(Struct):
    """Just enough of an event to see whether its kind is one we know."""

    type: str = ""
    delta: _Kind | None = None
    content_block: _Kind | None = None
    error: Raw = ABSENT


_EVENT: msgspec.json.Decoder[StreamEvent] = msgspec.json.Decoder(StreamEvent)
_KIND = msgspec.json.Decoder(_Kind)
_KNOWN_EVENTS = frozenset(
    "message_start content_block_start content_block_delta content_block_stop"
    " message_delta message_stop error".split()
)
_NO_SSE = frozenset((b"{", b"[", b"<"))
"""How a JSON or HTML body begins that came where a stream was due."""
_KNOWN_DELTAS = frozenset(("text_delta", "thinking_delta", "signature_delta", "input_json_delta"))


def read_event(raw: bytes) -> StreamEvent | None:
    """Return what one event's bytes say; None for comments and for kinds that mean nothing here.

    Such kinds are `ping`, the blocks of server-side tools, and whatever is added to the dialect later.

    Raises:
        UNREADABLE: no event, no JSON object, or a known kind that lacks what it must hold.

    """
    data = _data(raw)
    if data is None:
        return None
    try:
        return _EVENT.decode(data)
    except UNREADABLE:
        return _read_oddity(data)


def _data(raw: bytes) -> bytes | None:
    """Find the data of `event: name, data: json`, the form nearly every event has, without a full parse."""
    start = raw.find(b"\ndata: {") + 7
    if start > 6 and raw.startswith(b"event: ") and raw.find(b"\n", start) == len(raw) - 2:  # noqa: PLR2004
        return raw[start:-2]
    event = parse_block(raw)
    if event is not None:
        return event.data
    if raw.lstrip()[:1] in _NO_SSE:
        raise msgspec.DecodeError("it is no event stream")
    return None


def _read_oddity(data: bytes) -> ErrorEvent | None:
    if data == b"[DONE]":
        return None
    kind = _KIND.decode(data)
    if not kind.type and bytes(kind.error):
        return ErrorEvent(kind.error)
    if _is_known(kind):
        raise msgspec.ValidationError(f"a `{kind.type}` event lacks what it must hold")
    return None


def _is_known(kind: _Kind) -> bool:
    if kind.delta is not None and kind.type == "content_block_delta":
        return kind.delta.type in _KNOWN_DELTAS
    if kind.content_block is not None and kind.type == "content_block_start":
        return kind.content_block.type in KNOWN_BLOCKS
    return kind.type in _KNOWN_EVENTS
