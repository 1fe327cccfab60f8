"""The connections to one address: leased, resting, or waited for."""

from __future__ import annotations

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from gateway.exchange import TransportFailure
from gateway.upstreams.connection import Connection


class PoolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of an `HttpPool`."""

    max_connections_per_origin: int
    keep_alive_s: float
    max_header_bytes: int


class Address(msgspec.Struct, frozen=True):
    """Where an origin listens; `tls` is None for plain HTTP."""

    host: str
    port: int
    tls: ssl.SSLContext | None


class Origin:
    """The connections to one address.

    Invariant: every connection that is being opened, leased or resting holds one of a fixed number of
    slots. What becomes free goes to whoever has waited longest; a connection rests only when nobody waits.
    """

    def __init__(self, address: Address, limits: PoolLimits) -> None:
        self._address = address
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._open: set[Connection] = set()
        self._queue: OrderedDict[asyncio.Future[Connection | None], None] = OrderedDict()
        self._resting: list[Connection] = []  # leased from the end, so that those at the front expire
        self._slots_taken = 0
        self._sweep: asyncio.TimerHandle | None = None

    def pick(self) -> Connection | None:
        """Return the connection that has rested for the shortest time, if one rests."""
        while self._resting:
            connection = self._resting.pop()
            if not connection.ended:
                connection.busy = True
                return connection
            self._free_slot()
        return None

    async def lease(self, by: float) -> Connection:
        """Return a connection for one exchange; raise TransportFailure, timeout past loop time `by`."""
        return await self._claim_slot(by) or await self._open_in_slot(by)

    async def connect(self, by: float) -> Connection:
        """Open a connection in a slot the caller holds; raise TransportFailure, timeout past time `by`."""
        host, port, tls = self._address.host, self._address.port, self._address.tls
        try:
            async with _connect_time(by):
                _, connection = await self._loop.create_connection(
                    self._new_connection, host, port, ssl=tls, server_hostname=host if tls else None
                )
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "verify_message", "") or getattr(error, "strerror", "") or str(error)
            raise TransportFailure(
                "connect_failed", f"connecting to `{host}:{port}` failed: {reason[:200]}"
            ) from error
        self._open.add(connection)
        return connection

    def release(self, connection: Connection) -> None:
        """Take back a leased connection: it serves the next in the queue, rests, or is closed."""
        if self._closed or not connection.rest():
            connection.abort()
            self._free_slot()
            return
        waiter = self._next_in_queue() if self._queue else None
        if waiter is not None:
            connection.busy = True
            waiter.set_result(connection)
            return
        self._resting.append(connection)
        if self._sweep is None:
            self._sweep = self._loop.call_later(self._limits.keep_alive_s, self._drop_expired)

    async def close(self) -> None:
        """Close the resting connections and wait for their sockets; leased ones are closed when released."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in self._resting:
            connection.abort()
        for connection in [each for each in self._open if each.ended]:
            connection.abort()
            await connection.lost

    def _new_connection(self) -> Connection:
        return Connection(self._loop, self._limits.max_header_bytes, self._forget)

    def _forget(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in self._resting:
            self._resting.remove(connection)
            self._free_slot()

    async def _claim_slot(self, by: float) -> Connection | None:
        if self._slots_taken < self._limits.max_connections_per_origin:
            self._slots_taken += 1
            return None
        async with _connect_time(by):
            return await self._queue_up()

    async def _queue_up(self) -> Connection | None:
        waiter: asyncio.Future[Connection | None] = self._loop.create_future()
        self._queue[waiter] = None
        try:
            return await waiter
        except BaseException:
            self._queue.pop(waiter, None)
            if waiter.done() and not waiter.cancelled():
                self._give_back(waiter.result())
            raise

    def _give_back(self, granted: Connection | None) -> None:
        if granted is None:
            self._free_slot()
        else:
            self.release(granted)

    async def _open_in_slot(self, by: float) -> Connection:
        try:
            return await self.connect(by)
        except BaseException:
            self._free_slot()
            raise

    def _free_slot(self) -> None:
        waiter = self._next_in_queue()
        if waiter is None:
            self._slots_taken -= 1
        else:
            waiter.set_result(None)

    def _next_in_queue(self) -> asyncio.Future[Connection | None] | None:
        while self._queue:
            waiter, _ = self._queue.popitem(last=False)
            if not waiter.done():
                return waiter
        return None

    def _drop_expired(self) -> None:
        self._sweep = None
        now, keep_alive_s = self._loop.time(), self._limits.keep_alive_s
        for connection in self._resting:
            if connection.rests_since + keep_alive_s > now:
                self._sweep = self._loop.call_at(connection.rests_since + keep_alive_s, self._drop_expired)
                return
            connection.abort()


@asynccontextmanager
async def _connect_time(by: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout_at(by):
            yield
    except TimeoutError as error:
        raise TransportFailure("timeout", "connect time-out: no connection in the time allowed") from error
