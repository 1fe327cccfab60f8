"""The client's side of a stream: opened when there is something to say, or after too long a silence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from aiohttp import HttpVersion10, web

from gateway.client_answer import SENT, write_head

Headers = Mapping[str, str]
_FIXED = "cache-control: no-cache\r\ncontent-type: text/event-stream\r\n"


class ClientStream:
    """One event stream to a client, kept alive while nothing is sent.

    A client that has heard nothing for `every_s` seconds gets `ping`, bytes that mean nothing in its dialect;
    0 never. If the stream is not open by then it is opened for it: the status is 200 from then on, and what
    fails later can only be an error event. Costs a timer a stream, nothing a chunk: the timer looks at how
    much has been written. What is written is whole events, so a ping never falls inside one. The head goes
    out with the first of them, and the end with the last: a write to a socket is what costs.
    """

    def __init__(
        self,
        http: web.Request,
        *,
        ping: bytes,
        every_s: float,
        early: Callable[[], Headers],
        now: Callable[[], float],
    ) -> None:
        """Begin to wait; `early` gives the headers of a stream that has to open before its answer begins."""
        self._http, self._ping, self._every_s, self._early, self._now = http, ping, every_s, early, now
        self._loop = asyncio.get_running_loop()
        self._chunked = http.version != HttpVersion10
        self._is_open = False
        self._head = b""
        """Still to be sent."""
        self._told: Headers = {}
        self._written = 0
        self._pinging: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(every_s, self._ring) if every_s else None

    async def opened_early(self) -> bool:
        """Tell whether silence has opened the stream already."""
        if self._pinging is not None:
            await self._pinging
        return self._is_open

    async def open(self, headers: Callable[[], Headers]) -> None:
        """Open the stream with these headers; where silence has opened it, they come as a comment."""
        self._written = -1  # no look at what was written finds silence while it opens
        if not await self.opened_early():
            self._open(headers())
            return
        late = ((name, value) for name, value in headers().items() if self._told.get(name) != value)
        facts = "".join(f": {name}: {value}\n" for name, value in late)
        await self.write(f"{facts}\n".encode("ascii", "replace"))

    async def write(self, events: bytes) -> None:
        """Send whole events, at least one, on a stream that is open; raise ConnectionError past its end."""
        if self._chunked:
            events = b"%x\r\n%b\r\n" % (len(events), events)
        head, self._head = self._head, b""
        await self._http.writer.write(head + events if head else events)

    async def end(self, *last: bytes) -> web.StreamResponse:
        """Write the last bytes and end the stream, which must be open."""
        self.stop()
        if not self._is_open:
            raise ConnectionError("the stream is not open")
        writer = self._http.writer
        if not self._chunked:
            await writer.write(b"".join((self._head, *last)))
        elif size := sum(map(len, last)):
            await writer.write(b"".join((self._head, b"%x\r\n" % size, *last, b"\r\n0\r\n\r\n")))
        else:
            await writer.write(self._head + b"0\r\n\r\n")
        await writer.drain()
        return SENT[self._keep_alive]

    def stop(self) -> None:
        """Ping no more; to be called before the stream's end, and when it is given up."""
        if self._timer is not None:
            self._timer.cancel()
        if self._pinging is not None:
            self._pinging.cancel()

    @property
    def _keep_alive(self) -> bool:
        """Tell whether another answer can follow: without chunks only the connection's end ends a stream."""
        return self._chunked and self._http.keep_alive

    def _open(self, headers: Headers) -> None:
        fixed = f"{_FIXED}transfer-encoding: chunked\r\n" if self._chunked else _FIXED
        self._head = write_head(self._http, headers, fixed, self._now(), keep_alive=self._keep_alive)
        self._is_open = True

    def _ring(self) -> None:
        """Ping if nothing was written since the last look; half the time is between two looks."""
        self._timer = self._loop.call_later(self._every_s / 2, self._ring)
        written = self._http.writer.output_size if self._is_open else 0
        if written == self._written and (self._pinging is None or self._pinging.done()):
            self._pinging = self._loop.create_task(self._send_ping())
        self._written = written

    async def _send_ping(self) -> None:
        with suppress(ConnectionError):  # the client has left: its request is being cancelled already
            if not self._is_open:
                self._told = self._early()
                self._open(self._told)
            await self.write(self._ping)
            self._written = self._http.writer.output_size
