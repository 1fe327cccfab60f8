"""What every relay of an Anthropic stream has in common: framing, usage, faults and the end."""

from __future__ import annotations

from msgspec import Raw

from gateway.exchange import Fault
from gateway.wire.anthropic_events import (
    BlockDelta,
    ErrorEvent,
    InputJsonDelta,
    MessageDelta,
    MessageStart,
    MessageStop,
    StreamEvent,
    TextDelta,
    ThinkingDelta,
    read_event,
)
from gateway.wire.anthropic_types import UNREADABLE, WireUsage
from gateway.wire.anthropic_usage import read_usage
from gateway.wire.sse import EventSplitter
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
        self.delivered_tokens = 0
        self.ended = False
        self.stop_reason: str | None = None
        self._splitter = EventSplitter()
        self._started: WireUsage | None = None
        self._chars = 0
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

    def _accept(self, chunk: bytes) -> bytes:
        """Return the whole events that are there now."""
        segment = self._splitter.feed(chunk)
        if self._splitter.overflowed and not self.failed():
            self._fail(garbled("an event of the stream is too long"))
        return segment

    def _decode(self, raw: bytes) -> StreamEvent | None:
        """Read one event and keep count; None for what means nothing here, and after a fault or the end."""
        if self.failed() or self.ended:
            return None
        try:
            event = read_event(raw)
        except UNREADABLE as error:
            plain = read_embedded_fault(self._provider, raw)
            self._fail(plain or garbled(f"an event of the stream cannot be read: {error}"))
            return None
        if isinstance(event, BlockDelta):
            self._count(event)
        elif event is not None:
            self._track(event)
        return event

    def _count(self, event: BlockDelta) -> None:
        delta = event.delta
        if isinstance(delta, TextDelta):
            self._chars += len(delta.text)
        elif isinstance(delta, InputJsonDelta):
            self._chars += len(delta.partial_json)
        elif isinstance(delta, ThinkingDelta):
            self._chars += len(delta.thinking)
        self.delivered_tokens = self._chars // _CHARS_PER_TOKEN

    def _track(self, event: StreamEvent) -> None:
        match event:
            case MessageStart():
                self._started = event.message.usage
            case MessageDelta():
                self.stop_reason = event.delta.stop_reason or self.stop_reason
                self._settle(event.usage)
            case MessageStop():
                self.ended = True
                self._estimate()
            case ErrorEvent():
                self._fail(embedded_fault(self._provider, event.error))
            case _:
                pass

    def _settle(self, final: WireUsage | None) -> None:
        if final is not None:
            self.usage = read_usage(*(count for count in (self._started, final) if count is not None))

    def _fail(self, fault: Fault) -> None:
        self.fault = fault
        self._estimate()

    def _estimate(self) -> None:
        if self.usage is None and self._started is not None:
            self.usage = read_usage(self._started, output_at_least=self.delivered_tokens, estimated=True)


def embedded_fault(provider: str, error: Raw) -> Fault:
    """Return what an `error` object in place of an answer means."""
    fault = read_embedded_fault(provider, b'{"error":%b}' % bytes(error))
    return fault or garbled("the vendor reported an error that says nothing")
