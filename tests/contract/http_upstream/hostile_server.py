"""An HTTP server whose every byte a test decides: it may stall, lie, break off or never stop."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Peer:
    """One client connection, seen from the server."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: HostileServer
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.server = server

    async def request(self) -> bytes:
        """Read one request to its end; raise IncompleteReadError when the client has left."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        request = head + await self.reader.readexactly(length)
        self.server.requests.append(request)
        return request

    async def send(self, data: bytes) -> None:
        """Send `data` and wait while the client does not read."""
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, data: bytes) -> None:
        """Read one request and send `data`."""
        await self.request()
        await self.send(data)

    async def stay(self) -> None:
        """Wait until the client has left."""
        with suppress(ConnectionError):
            while await self.reader.read(65_536):
                pass

    def reset(self) -> None:
        """Break the connection off by RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Behaviour = Callable[[Peer], Awaitable[None]]


class HostileServer:
    """What the clients did: connections made, the most at one time, requests, and an event once one left."""

    def __init__(self, behave: Behaviour, scheme: str) -> None:
        self.connections = 0
        self.busiest = 0
        self.requests: list[bytes] = []
        self.left = asyncio.Event()
        self.asked = asyncio.Event()
        self.url = ""
        self._behave = behave
        self._scheme = scheme
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Behave towards one client."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.busiest = max(self.busiest, len(self._tasks))
        try:
            await self._behave(Peer(reader, writer, self))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            self.left.set()
            writer.transport.abort()

    async def stop(self) -> None:
        """End what is still going on."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def hostile(behave: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[HostileServer]:
    """Run a server that treats each connection as `behave` says."""
    server = HostileServer(behave, "https" if tls else "http")
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls, backlog=512)
    port = listener.sockets[0].getsockname()[1]
    server.url = f"{server._scheme}://localhost:{port}/v1/chat"
    try:
        yield server
    finally:
        listener.close()
        await server.stop()
        await listener.wait_closed()


def always(answer: bytes) -> Behaviour:
    """Return the behaviour that sends `answer` to every request."""

    async def behave(peer: Peer) -> None:
        while True:
            await peer.answer(answer)

    return behave


def once(answer: bytes) -> Behaviour:
    """Return the behaviour that sends `answer` to the first request and then closes."""

    async def behave(peer: Peer) -> None:
        await peer.answer(answer)
        peer.writer.close()
        await peer.writer.wait_closed()

    return behave


def then_stall(answer: bytes) -> Behaviour:
    """Return the behaviour that sends `answer` to the first request and then nothing."""

    async def behave(peer: Peer) -> None:
        await peer.answer(answer)
        peer.server.asked.set()
        await peer.stay()

    return behave
