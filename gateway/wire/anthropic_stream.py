"""What every relay of an Anthropic stream has in common: framing, usage, faults and the end."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Raw

from gateway.exchange import Fault
from gateway.wire.anthropic_events import (
    BlockDelta,
    ErrorEvent,
    MessageDelta,
    MessageStart,
    MessageStop,
    StreamEvent,
    read_event,
)
from gateway.wire.anthropic_growth import Growth, GrowthFrame, learn_frame, read_growth
from gateway.wire.anthropic_types import UNREADABLE, WireUsage
from gateway.wire.anthropic_usage import read_usage
from gateway.wire.sse import EventSplitter, blocks
from gateway.wire.vendor_errors import garbled, read_embedded_fault
from policies.pricing import Usage

_CHARS_PER_TOKEN = 4
"""Claude's tokens hold about 3.5 of English text and fewer of code and other scripts: a low estimate."""


class AnthropicStream:
    """The upstream half of a relay: subclasses turn its events into the client's bytes.

    `usage` is set by each `message_delta`. Where a fault or the end comes first, it is an estimate:
    the prompt as the vendor counted it in `message_start`, and the output delivered so far.
    """

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self.has_output = False
        self.usage: Usage | None = None
        self.fault: Fault | None = None
        self.ended = False
        self.stop_reason: str | None = None
        self._splitter = EventSplitter()
        self._started: WireUsage | None = None
        self._chars = 0
        self._frame: GrowthFrame | None = None
        self._closing = b""
        """What a last event without its blank line turned into; `finish` sends it first."""

    def feed(self, chunk: bytes) -> bytes:
        """Take what arrived, return what to send now."""
        raise NotImplementedError

    def close(self) -> None:
        """Learn that no more will come; short of `message_stop` that is a `cut_off`.

        A last event whose blank line never came still counts when it is whole.
        """
        rest = self._splitter.close().rstrip()
        if rest.endswith(b"}"):
            self._closing = self.feed(rest + b"\n\n")
        if not self.failed() and not self.ended:
            self._fail(Fault(kind="cut_off", message="the stream ended before `message_stop`"))

    def failed(self) -> bool:
        """Return whether `fault` is set."""
        return self.fault is not None

    @property
    def delivered_tokens(self) -> int:
        """Lower estimate of the output tokens in what was fed so far."""
        return self._chars // _CHARS_PER_TOKEN

    def _events(self, chunk: bytes) -> Iterator[tuple[bytes, Growth | StreamEvent | None]]:
        """Yield what arrived, each event with its bytes, like deltas in a row as one.

        None stands for what means nothing here, and for whatever comes after a fault or the end.
        """
        segment = self._accept(chunk)
        if b"\r" in segment:
            for raw in blocks(segment):
                yield raw, self._decode(raw)
            return
        position = 0
        while position < len(segment):
            run = self._frame.run(segment, position) if self._frame else None
            if run and self._frame:
                yield segment[position : run.end], self._count(self._frame.growth(run))
                position = run.end
                continue
            end = segment.find(b"\n\n", position) + 2
            if end < position:
                return  # an idle line end
            raw = segment[position:end]
            yield raw, self._decode(raw)
            position = end

    def _accept(self, chunk: bytes) -> bytes:
        """Return the whole events that are there now."""
        segment = self._splitter.feed(chunk)
        if self._splitter.overflowed and not self.failed():
            self._fail(garbled("an event of the stream is too long"))
        return segment

    def _decode(self, raw: bytes) -> Growth | StreamEvent | None:
        """Read one event and keep count; None for what means nothing here, and after a fault or the end."""
        if self.failed() or self.ended:
            return None
        try:
            event = read_event(raw)
        except UNREADABLE as error:
            plain = read_embedded_fault(self._provider, raw)
            self._fail(plain or garbled(f"an event of the stream cannot be read: {error}"))
            return None
        if not isinstance(event, BlockDelta):
            if event is not None:
                self._track(event)
            return event
        growth = read_growth(event)
        if growth is None:
            return event
        self._frame = learn_frame(raw, growth)
        return self._count(growth)

    def _count(self, growth: Growth) -> Growth:
        self._chars += sum(map(len, growth.said))
        return growth

    def _track(self, event: StreamEvent) -> None:
        match event:
            case MessageStart():
                self._started = event.message.usage
            case MessageDelta():
                self.stop_reason = event.delta.stop_reason or self.stop_reason
                self._settle(event.usage)
            case MessageStop():
                self.ended, self._frame = True, None
                self._estimate()
            case ErrorEvent():
                self._fail(embedded_fault(self._provider, event.error))
            case _:
                pass

    def _settle(self, final: WireUsage | None) -> None:
        if final is not None:
            self.usage = read_usage(*(count for count in (self._started, final) if count is not None))

    def _fail(self, fault: Fault) -> None:
        self.fault, self._frame = fault, None
        self._estimate()

    def _estimate(self) -> None:
        if self.usage is None and self._started is not None:
            self.usage = read_usage(self._started, output_at_least=self.delivered_tokens, estimated=True)


def embedded_fault(provider: str, error: Raw) -> Fault:
    """Return what an `error` object in place of an answer means."""
    fault = read_embedded_fault(provider, b'{"error":%b}' % bytes(error))
    return fault or garbled("the vendor reported an error that says nothing")
