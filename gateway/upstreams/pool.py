"""The HTTP client of the hot path: keep-alive HTTP/1.1 connections, pooled by origin."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from gateway.exchange import Call, TransportFailure
from gateway.upstreams.authorities import system_tls
from gateway.upstreams.body import BodyReply, answer_too_long
from gateway.upstreams.connection import Connection
from gateway.upstreams.http1 import MAX_HEADER_BYTES, USER_AGENT, render_headers
from gateway.upstreams.origin import Address, Origin, PoolLimits

_SENDABLE = re.compile(r"[\x21-\x7e]+")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_ROUTES_MAX = 1_024


class PooledReply(BodyReply):
    """An answer on a leased connection, which it gives back as soon as the body is read."""

    __slots__ = ("_connection", "_origin")

    def __init__(self, connection: Connection, origin: Origin) -> None:
        super().__init__(connection.answer.status, connection.answer.headers)
        self._connection: Connection | None = connection
        self._origin = origin

    async def receive(self) -> bytes:
        """Return what arrived since the last call, b"" at the body's end; raise TransportFailure."""
        connection = self._connection
        if connection is None:
            if self._whole:
                return b""
            raise TransportFailure("cut_off", "the reply was closed before its body was read")
        answer = connection.answer
        if not answer.parts and not answer.done:
            try:
                await connection.arrival()
            except BaseException:
                self._leave()
                raise
        data = connection.take()
        if answer.done:
            self._whole = True
            self._leave()
        return data

    async def read(self, limit: int) -> bytes:
        """Return the whole body; raise TransportFailure (garbled) past `limit` bytes."""
        connection = self._connection
        if connection is None or not connection.answer.done or self._inflater is not None:
            return await super().read(limit)
        body = connection.take()
        self._whole = True
        self._leave()
        if len(body) > limit:
            raise answer_too_long(limit)
        return body

    async def close(self) -> None:
        """Release the connection: reused when the body was read to its end, closed otherwise. Idempotent."""
        self._leave()

    def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._origin.release(connection)


class _Route(msgspec.Struct):
    loop: asyncio.AbstractEventLoop
    origin: Origin
    start: bytes
    """The request line and the host header."""
    headers: Mapping[str, str] | None = None
    """Those last sent; a deployment sends the same ones with every call."""
    lines: bytes = b""
    """The same as they go over the wire."""

    def head(self, call: Call, user_agent: str) -> bytes:
        """Return a request's head; raise TransportFailure (garbled) for what no header may hold."""
        if call.headers is not self.headers:
            self.lines = render_headers(tuple(call.headers.items()), user_agent)
            self.headers = call.headers
        return b"%bcontent-length: %d\r\n%b\r\n" % (self.start, len(call.body), self.lines)


class HttpPool:
    """An `Upstream` over HTTP/1.1: one try per call, no redirects, no cookies, no proxies.

    A call that meets a connection which the peer closed while it rested, before any byte of an answer, is
    sent once more on a new one.
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        max_connections_per_origin: int = 512,
        keep_alive_s: float = 30.0,
        max_header_bytes: int = MAX_HEADER_BYTES,
        user_agent: str = USER_AGENT,
    ) -> None:
        self._tls = tls
        self._limits = PoolLimits(
            max_connections_per_origin=max_connections_per_origin,
            keep_alive_s=keep_alive_s,
            max_header_bytes=max_header_bytes,
        )
        self._user_agent = user_agent
        self._origins: dict[tuple[str, str, int], Origin] = {}
        self._routes: dict[str, _Route] = {}
        self._closed = False

    async def send(self, call: Call) -> PooledReply:
        """Send `call` and return once the answer's head is there; raise TransportFailure.

        Cancelling the caller closes the connection at once. The wait for a free connection counts as
        connecting.
        """
        if self._closed:
            raise TransportFailure("connect_failed", "this http client is closed")
        route = self._routes.get(call.url) or self._add_route(call.url)
        origin, loop, timeouts = route.origin, route.loop, call.timeouts
        head = route.head(call, self._user_agent)
        now = loop.time()
        total_by = now + timeouts.total_s
        connection = origin.pick() or await origin.lease(min(now + timeouts.connect_s, total_by))
        try:
            try:
                await connection.exchange(head, call.body, timeouts=timeouts, total_by=total_by)
            except TransportFailure:
                if not connection.went_stale:
                    raise
                connection = await origin.connect(min(loop.time() + timeouts.connect_s, total_by))
                await connection.exchange(head, call.body, timeouts=timeouts, total_by=total_by)
        except BaseException:
            origin.release(connection)
            raise
        return PooledReply(connection, origin)

    async def close(self) -> None:
        """Close idle connections; calls under way are left alone, their connections closed at the end."""
        self._closed = True
        for origin in self._origins.values():
            await origin.close()

    def _add_route(self, url: str) -> _Route:
        scheme, host, port, target = _parse_url(url)
        key = scheme, host, port
        origin = self._origins.get(key)
        if origin is None:
            tls = (self._tls or system_tls()) if scheme == "https" else None
            origin = self._origins[key] = Origin(Address(host, port, tls), self._limits)
        shown_host = f"[{host}]" if ":" in host else host
        shown_port = "" if port == _DEFAULT_PORTS[scheme] else f":{port}"
        start = f"POST {target} HTTP/1.1\r\nhost: {shown_host}{shown_port}\r\n".encode("ascii")
        if len(self._routes) >= _ROUTES_MAX:
            self._routes.clear()
        route = self._routes[url] = _Route(asyncio.get_running_loop(), origin, start)
        return route


def _parse_url(url: str) -> tuple[str, str, int, str]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _bad_url() from None
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.hostname or ""
    if parts.scheme not in _DEFAULT_PORTS or not host or not _SENDABLE.fullmatch(host + target):
        raise _bad_url()
    return parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme], target


def _bad_url() -> TransportFailure:
    # the url itself is not shown: some vendors take their key in it
    return TransportFailure(
        "connect_failed", "the deployment's url cannot be called: give an http or https url in plain ascii"
    )
