"""A Messages stream into a response's events, by way of chat chunks, signatures carried round them."""

from __future__ import annotations

from gateway.wire.anthropic_events import BlockDelta, BlockStart, SignatureDelta, read_event
from gateway.wire.anthropic_types import UNREADABLE, RedactedThinkingBlock
from gateway.wire.base import Relay
from gateway.wire.chat_upstream.relay import WritingRelay
from gateway.wire.responses_to_chat.writer import ResponseWriter
from gateway.wire.sse import EventSplitter, blocks
from gateway.wire.vendor_errors import garbled

_SIGNS = (b'"signature_delta"', b'"redacted_thinking"')


class SigningRelay(WritingRelay):
    """Relays event by event where there is a signature, so that it meets the reasoning it belongs to.

    Chat chunks tell of signatures only at the very end, when the reasoning's item has long been sent.
    """

    def __init__(self, inner: Relay, writer: ResponseWriter) -> None:
        super().__init__(inner, writer)
        self._response = writer
        self._splitter = EventSplitter()

    def feed(self, chunk: bytes) -> bytes:
        """Take what arrived, return what to send now."""
        segment = self._splitter.feed(chunk)
        if any(sign in segment for sign in _SIGNS):
            sent = b"".join([self._one(raw) for raw in blocks(segment)])
        else:
            sent = super().feed(segment)
        if self._splitter.overflowed and self.fault is None:
            self.fault = garbled("an event of the stream is too long")
        return sent

    def close(self) -> None:
        """Learn that the upstream ended the body; an event without its blank line is the inner relay's."""
        rest = self._splitter.close()
        if rest:
            super().feed(rest)
        super().close()

    def _one(self, raw: bytes) -> bytes:
        sent = super().feed(raw)
        if self.fault is not None or not any(sign in raw for sign in _SIGNS):
            return sent
        return sent + self._sign(raw)

    def _sign(self, raw: bytes) -> bytes:
        try:
            event = read_event(raw)
        except UNREADABLE:
            return b""  # the inner relay has judged it
        match event:
            case BlockDelta(delta=SignatureDelta(signature)):
                self._response.sign(signature)
            case BlockStart(content_block=RedactedThinkingBlock(data)):
                return self._response.redact(data)
            case _:
                pass
        return b""
