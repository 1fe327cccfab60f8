"""One streaming answer through two hands: a relay that yields chat chunks, and another dialect's writer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from gateway.exchange import Fault
from gateway.wire.anthropic_types import UNREADABLE
from gateway.wire.base import Relay
from gateway.wire.chat_upstream.received import Received, read_received
from gateway.wire.sse import DONE, blocks, parse_block
from gateway.wire.vendor_errors import garbled
from policies.pricing import Usage

Receipt = Mapping[str, str | int]


class Writer(Protocol):
    """Writes one streaming answer in a client's dialect."""

    def write(self, chunk: Received) -> bytes:
        """Return the events for one chunk."""
        ...

    def finish(self, usage: Usage, receipt: Receipt | None) -> bytes:
        """Return the events that end the answer."""
        ...


class WritingRelay:
    """Relays a chat stream to a client of another dialect.

    What may be wrong with a stream is the inner relay's to find; usage and faults are its own. The inner
    relay's ending is read when the upstream's body ends, so that `finish` cannot fail.
    """

    def __init__(self, inner: Relay, writer: Writer) -> None:
        self.has_output = False
        self.usage: Usage | None = None
        self.fault: Fault | None = None
        self.delivered_tokens = 0
        self._inner = inner
        self._writer = writer
        self._late = b""

    def feed(self, chunk: bytes) -> bytes:
        """Take what arrived, return what to send now."""
        if self.fault:
            return b""
        sent = self._translate(self._inner.feed(chunk))
        self._learn()
        return sent

    def close(self) -> None:
        """Learn that the upstream ended the body."""
        self._inner.close()
        self._learn()
        if self.fault is None:
            self._late = self._translate(self._inner.finish(None))

    def finish(self, receipt: Receipt | None) -> bytes:
        """Return the ending; the writer adds usage and receipt."""
        if self.fault:
            return b""
        usage = self.usage or Usage(output_tokens=self.delivered_tokens, estimated=True)
        return self._late + self._writer.finish(usage, receipt)

    def _learn(self) -> None:
        inner = self._inner
        self.has_output, self.usage, self.delivered_tokens = (
            inner.has_output,
            inner.usage,
            inner.delivered_tokens,
        )
        self.fault = self.fault or inner.fault

    def _translate(self, segment: bytes) -> bytes:
        return b"".join([self._event(raw) for raw in blocks(segment) if raw != DONE]) if segment else b""

    def _event(self, raw: bytes) -> bytes:
        event = parse_block(raw)
        if event is None:
            return raw  # a comment, which keeps the connection alive in every dialect
        if self.fault:
            return b""
        try:
            return self._writer.write(read_received(event.data))
        except UNREADABLE as error:
            self.fault = garbled(f"an event of the stream cannot be read: {error}")
            return b""
