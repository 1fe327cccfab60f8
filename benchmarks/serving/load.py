"""Requests in a closed loop or at a fixed rate: `python -m benchmarks.serving.load`, JSON in and out.

At a fixed rate a request's time counts from when it was due, so that a slow answer is not hidden by the
requests that had to wait behind it.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import cast

import httptools
import msgspec
import uvloop


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What to send where, for how long, over how many connections."""

    port: int
    path: str
    headers: dict[str, str]
    body_bytes: int
    stream: bool
    connections: int
    seconds: float
    rate: float = 0.0
    """Requests a second, whatever the answers do; 0: every connection sends again when it is answered."""

    def request(self) -> bytes:
        """Return the request as it goes over the wire."""
        body = make_body(self.body_bytes, stream=self.stream)
        lines = [f"POST {self.path} HTTP/1.1", "host: localhost", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join((*lines, "", "")).encode() + body

    def run_apart(self) -> Measured:
        """Send it from a process of its own, and return what came of it."""
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.serving.load"],
            input=msgspec.json.encode(self),
            stdout=subprocess.PIPE,
            check=True,
        )
        return msgspec.json.decode(done.stdout, type=Measured)


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    answers: int
    failures: int
    seconds: float
    p50_ms: float
    p99_ms: float


def make_body(size: int, *, stream: bool) -> bytes:
    """Return a chat request of about `size` bytes: a system prompt, old turns, and a short ask at the end."""
    turns = [{"role": "system", "content": "You are a careful assistant."}]
    old = "The importer reads a file and returns one record per line. " * 8
    while sum(len(turn["content"]) + 40 for turn in turns) < size - 700:
        turns.append({"role": "assistant" if len(turns) % 2 == 0 else "user", "content": old})
    turns.append({"role": "user", "content": "Rename the variable `n` to `count` in parser.py, please."})
    return msgspec.json.encode({"model": "auto", "messages": turns, "stream": stream, "max_tokens": 500})


class _Run:
    """What the connections share: when each may send, and what was measured."""

    def __init__(self, load: Load) -> None:
        self.request = load.request()
        self.times: list[float] = []
        self.failures = 0
        self.started = time.perf_counter()
        self._load, self._sent = load, 0
        self._freed: asyncio.Future[None] | None = None
        self._free: list[_Connection] = []
        self._over = False

    def next_due(self) -> float | None:
        """Return when the next request is due, None once the time is over."""
        at = self.started + self._sent / self._load.rate if self._load.rate else time.perf_counter()
        if at >= self.started + self._load.seconds:
            return None
        self._sent += 1
        return at

    async def drive(self) -> None:
        """Send at the fixed rate, on a connection that is free or on the first to become so."""
        loop = asyncio.get_running_loop()
        while (due := self.next_due()) is not None:
            if due > time.perf_counter():
                await asyncio.sleep(due - time.perf_counter())
            while not self._free:
                self._freed = loop.create_future()
                await self._freed
            self._free.pop().send(due)
        self._over = True
        for connection in self._free:
            connection.close()

    def rest(self, connection: _Connection) -> None:
        """Take back a connection whose answer has come."""
        if not self._load.rate:
            due = self.next_due()
            connection.close() if due is None else connection.send(due)
        elif self._over:
            connection.close()
        else:
            self._free.append(connection)
            if self._freed is not None and not self._freed.done():
                self._freed.set_result(None)


class _Connection(asyncio.Protocol):
    """One client; the parser calls the `on_` methods."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        ok = self._parser.get_status_code() == 200  # noqa: PLR2004
        if ok:
            self._run.times.append(time.perf_counter() - self._due)
        else:
            self._run.failures += 1
        self._run.rest(self)

    def connection_lost(self, _: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def send(self, due: float) -> None:
        """Send the request that was due at `due`."""
        self._parser = httptools.HttpResponseParser(self)
        self._due = due
        self._transport.write(self._run.request)

    def close(self) -> None:
        """Leave."""
        self._transport.close()


async def run(load: Load) -> Measured:
    """Send until the time is over and every answer is there."""
    loop, shared = asyncio.get_running_loop(), _Run(load)
    clients = [
        (await loop.create_connection(lambda: _Connection(shared), "127.0.0.1", load.port))[1]
        for _ in range(load.connections)
    ]
    shared.started = time.perf_counter()
    for client in clients:
        shared.rest(client)
    if load.rate:
        await shared.drive()
    await asyncio.wait_for(asyncio.gather(*(client.done for client in clients)), load.seconds + 60)
    times = sorted(shared.times)
    return Measured(
        answers=len(times),
        failures=shared.failures,
        seconds=time.perf_counter() - shared.started,
        p50_ms=1000 * times[len(times) // 2] if times else 0,
        p99_ms=1000 * times[len(times) * 99 // 100] if times else 0,
    )


if __name__ == "__main__":
    wanted = msgspec.json.decode(sys.stdin.buffer.read(), type=Load)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(run(wanted))))
