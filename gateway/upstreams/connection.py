"""One HTTP/1.1 connection to an upstream: writes a request, waits for the answer, keeps the time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import cast

from gateway.exchange import Timeouts, TransportFailure
from gateway.upstreams.http1 import AnswerParser

UNREAD_BYTES_MAX = 262_144
"""Past this many bytes that nobody took, reading from the socket pauses."""


class Alarm:
    """A timer that is cheap to move: it is set anew only when it would ring too late."""

    __slots__ = ("_armed_for", "_handle", "_loop", "_ring", "when")

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None
        self._armed_for = inf
        self.when = inf

    def set(self, when: float) -> None:
        """Ring at `when`, a time of the loop; infinity means never."""
        self.when = when
        if when < self._armed_for:
            self._disarm()
            self._armed_for = when
            self._handle = self._loop.call_at(when, self._check)

    def cancel(self) -> None:
        """Never ring again."""
        self.when = inf
        self._disarm()

    def _check(self) -> None:
        self._handle, self._armed_for = None, inf
        if self._loop.time() < self.when:
            self.set(self.when)
        else:
            self._ring()

    def _disarm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._handle, self._armed_for = None, inf


class Connection(asyncio.Protocol):
    """A connection that carries one exchange at a time.

    Its life: `exchange` until the answer's head is there, `arrival` and `take` until `answer.done`, then
    `rest`, and `abort` when it may not. `busy` is true from its lease to its rest; bytes that
    arrive while it rests belong to nobody, so they end it.
    """

    __slots__ = (
        "_alarm",
        "_loop",
        "_on_lost",
        "_paused",
        "_stage",
        "_timeouts",
        "_total_by",
        "_transport",
        "_used_before",
        "_waiter",
        "answer",
        "busy",
        "ended",
        "error",
        "lost",
        "rests_since",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, max_header_bytes: int, on_lost: Callable[[Connection], None]
    ) -> None:
        self.answer = AnswerParser(max_header_bytes)
        self.busy = True
        self.ended = False
        self.error: TransportFailure | None = None
        self.lost: asyncio.Future[None] = loop.create_future()
        self.rests_since = 0.0
        self._alarm = Alarm(loop, self._expire)
        self._loop = loop
        self._on_lost = on_lost
        self._paused = False
        self._stage = ("total", 0.0)
        self._timeouts: Timeouts
        self._total_by = inf
        self._transport: asyncio.Transport
        self._used_before = False
        self._waiter: asyncio.Future[None] | None = None

    @property
    def went_stale(self) -> bool:
        """Tell whether the peer closed a connection that had rested before it sent one byte of an answer."""
        return (
            self._used_before
            and not self.answer.started
            and self.error is not None
            and self.error.kind == "cut_off"
        )

    async def exchange(self, head: bytes, body: bytes, *, timeouts: Timeouts, total_by: float) -> None:
        """Send a request and return when the answer's head is there; raise TransportFailure.

        `total_by` is a time of the loop. The body is not written by portions: its bytes are in memory
        anyway, and nothing is written after them.
        """
        self._timeouts, self._total_by = timeouts, total_by
        if not self.ended:
            self._transport.writelines((head, body))
        while not self.answer.head_done:
            await self._news("first byte", timeouts.first_byte_s)

    async def arrival(self) -> None:
        """Return when more of the body, or its end, is there; raise TransportFailure."""
        answer = self.answer
        while not answer.parts and not answer.done:
            await self._news("idle", self._timeouts.idle_s)

    def take(self) -> bytes:
        """Return the body bytes that arrived since the last call."""
        if self._paused:
            self._resume()
        return self.answer.take()

    def rest(self) -> bool:
        """Become free for another exchange, if this one is over both ways and the peer still there; tell."""
        answer = self.answer
        if self.ended or not (answer.done and answer.keep_alive) or self._transport.get_write_buffer_size():
            return False
        answer.reset()
        self.busy = False
        self._used_before = True
        self._alarm.when = inf
        self.rests_since = self._loop.time()
        return True

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        self._fail(TransportFailure("cut_off", "the call was given up"))

    def _news(self, stage: str, allowed_s: float) -> asyncio.Future[None]:
        if self.error is not None:
            raise self.error
        self._stage = stage, allowed_s
        self._alarm.set(min(self._loop.time() + allowed_s, self._total_by))
        self._waiter = waiter = self._loop.create_future()
        return waiter

    def _wake(self) -> None:
        # only `total` goes on while nobody waits: a slow reader is not the upstream's fault
        self._alarm.when = self._total_by
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _expire(self) -> None:
        stage, allowed_s = self._stage
        if self._loop.time() >= self._total_by:
            stage, allowed_s = "total", self._timeouts.total_s
        self._fail(TransportFailure("timeout", f"{stage} time-out: nothing usable within {allowed_s:g} s"))

    def _fail(self, error: TransportFailure) -> None:
        self.error = self.error or error
        self.ended = True
        self._transport.abort()
        self._wake()

    def _end(self, *, clean: bool) -> None:
        self.ended = True
        try:
            self.answer.end(clean=clean)
        except TransportFailure as error:
            self.error = self.error or error
        self._wake()

    def _resume(self) -> None:
        self._paused = False
        if not self.ended:
            self._transport.resume_reading()

    # what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, and wake the reader once it can go on."""
        if not self.busy:
            self.abort()
            return
        answer = self.answer
        try:
            answer.feed(data)
        except TransportFailure as error:
            self._fail(error)
            return
        if answer.unread_bytes > UNREAD_BYTES_MAX and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        if answer.parts or answer.head_done:
            self._wake()

    def eof_received(self) -> None:
        """Take the peer's half-close for the end; returning None closes our half too."""
        self._end(clean=True)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the reader and the pool."""
        self._alarm.cancel()
        self._end(clean=exc is None)
        self._on_lost(self)
        if not self.lost.done():
            self.lost.set_result(None)
