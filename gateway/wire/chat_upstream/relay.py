"""One streaming answer through two hands: a relay that yields chat chunks, and another dialect's writer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from gateway.exchange import Fault
from gateway.wire.anthropic_types import UNREADABLE
from gateway.wire.base import Relay
from gateway.wire.chat_upstream.received import Received, read_received
from gateway.wire.chat_upstream.saying import SayingFrame, SayingKind, learn_frame
from gateway.wire.sse import DONE, blocks, parse_block
from gateway.wire.vendor_errors import garbled
from policies.pricing import Usage

Receipt = Mapping[str, str | int]


class Writer(Protocol):
    """Writes one streaming answer in a client's dialect."""

    def write(self, chunk: Received) -> bytes:
        """Return the events for one chunk."""
        ...

    def say(self, kind: SayingKind, said: Sequence[str], texts: Sequence[bytes]) -> bytes | None:
        """Return the events for chunks that add text and nothing else; None to be given each by itself.

        `texts` are what is said as JSON writes it, without the quotes.
        """
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
        self._frame: SayingFrame | None = None
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
        """Translate whole events."""
        if b"\r" in segment:
            return b"".join([self._event(raw) for raw in blocks(segment)])
        sent: list[bytes] = []
        position = 0
        while (end := segment.find(b"\n\n", position) + 2) > position:
            run = self._frame.run(segment, position) if self._frame else None
            said = self._writer.say(self._frame.kind, run.said, run.texts) if run and self._frame else None
            if run and said is not None:
                sent.append(said)
                position = run.end
                continue
            sent.append(self._event(segment[position:end]))
            position = end
        return b"".join(sent)

    def _event(self, raw: bytes) -> bytes:
        if raw == DONE:
            return b""
        event = parse_block(raw)
        if event is None:
            return raw  # a comment, which keeps the connection alive in every dialect
        if self.fault:
            return b""
        try:
            received = read_received(event.data)
            self._frame = learn_frame(raw, received)
            return self._writer.write(received)
        except UNREADABLE as error:
            self.fault = garbled(f"an event of the stream cannot be read: {error}")
            return b""
