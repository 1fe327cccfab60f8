"""The client's side of a stream: opened when there is something to say, or after too long a silence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from aiohttp import web

Headers = Mapping[str, str]


class _EventStream(web.StreamResponse):
    """A response whose head goes out with its first bytes: a write to a socket is what costs."""

    _send_headers_immediately = False


class ClientStream:
    """One event stream to a client, kept alive while nothing is sent.

    A client that has heard nothing for `every_s` seconds gets `ping`, bytes that mean nothing in its dialect;
    0 never. If the stream is not open by then it is opened for it: the status is 200 from then on, and what
    fails later can only be an error event. Costs a timer a stream, nothing a chunk: the timer looks at how
    much has been written. What is written is whole events, so a ping never falls inside one.
    """

    def __init__(
        self, http: web.Request, *, ping: bytes, every_s: float, early: Callable[[], Headers]
    ) -> None:
        """Begin to wait; `early` gives the headers of a stream that has to open before its answer begins."""
        self._http, self._ping, self._every_s, self._early = http, ping, every_s, early
        self._loop = asyncio.get_running_loop()
        self._response: web.StreamResponse | None = None
        self._told: Headers = {}
        self._written = 0
        self._pinging: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(every_s, self._ring) if every_s else None

    async def opened_early(self) -> bool:
        """Tell whether silence has opened the stream already."""
        if self._pinging is not None:
            await self._pinging
        return self._response is not None

    async def open(self, headers: Callable[[], Headers]) -> web.StreamResponse:
        """Return the open stream with these headers; where silence has opened it, they come as a comment."""
        self._written = -1  # no look at what was written finds silence while it opens
        if not await self.opened_early():
            self._response = await self._open(headers())
        elif self._response is not None:
            late = ((name, value) for name, value in headers().items() if self._told.get(name) != value)
            facts = "".join(f": {name}: {value}\n" for name, value in late)
            await self._response.write(f"{facts}\n".encode("ascii", "replace"))
        if self._response is None:
            raise ConnectionError("the stream could not be opened")
        return self._response

    async def end(self, last: bytes) -> web.StreamResponse:
        """Write the last bytes and end the stream, which must be open."""
        self.stop()
        if self._response is None:
            raise ConnectionError("the stream is not open")
        await self._response.write_eof(last)
        return self._response

    def stop(self) -> None:
        """Ping no more; to be called before the stream's end, and when it is given up."""
        if self._timer is not None:
            self._timer.cancel()
        if self._pinging is not None:
            self._pinging.cancel()

    async def _open(self, headers: Headers) -> web.StreamResponse:
        response = _EventStream(headers={**headers, "cache-control": "no-cache"})
        response.content_type = "text/event-stream"
        await response.prepare(self._http)
        return response

    def _ring(self) -> None:
        """Ping if nothing was written since the last look; half the time is between two looks."""
        self._timer = self._loop.call_later(self._every_s / 2, self._ring)
        written = self._http.writer.output_size if self._response is not None else 0
        if written == self._written and (self._pinging is None or self._pinging.done()):
            self._pinging = self._loop.create_task(self._send_ping())
        self._written = written

    async def _send_ping(self) -> None:
        with suppress(ConnectionError):  # the client has left: its request is being cancelled already
            if self._response is None:
                self._told = self._early()
                self._response = await self._open(self._told)
            await self._response.write(self._ping)
            self._written = self._http.writer.output_size
