"""A closed loop of requests: `python -m benchmarks.serving.load` reads a Load as JSON, prints a Measured."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import cast

import httptools
import msgspec
import uvloop


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What to send where, for how long, over how many connections; each sends again when it is answered."""

    port: int
    path: str
    headers: dict[str, str]
    body_bytes: int
    stream: bool
    connections: int
    seconds: float

    def request(self) -> bytes:
        """Return the request as it goes over the wire."""
        body = make_body(self.body_bytes, stream=self.stream)
        lines = [f"POST {self.path} HTTP/1.1", "host: localhost", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join((*lines, "", "")).encode() + body


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


class _Connection(asyncio.Protocol):
    """One client; the parser calls the `on_` methods."""

    def __init__(self, request: bytes, until: float, times: list[float], failures: list[float]) -> None:
        self._request, self._until, self._times, self._failures = request, until, times, failures
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        ok = self._parser.get_status_code() == 200  # noqa: PLR2004
        (self._times if ok else self._failures).append(time.perf_counter() - self._sent)
        if time.perf_counter() < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def _send(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._sent = time.perf_counter()
        self._transport.write(self._request)


async def run(load: Load) -> Measured:
    """Send until the time is over and every answer is there."""
    loop, times, failures = asyncio.get_running_loop(), list[float](), list[float]()
    started, request = time.perf_counter(), load.request()
    clients = [
        await loop.create_connection(
            lambda: _Connection(request, started + load.seconds, times, failures), "127.0.0.1", load.port
        )
        for _ in range(load.connections)
    ]
    await asyncio.wait_for(asyncio.gather(*(client.done for _, client in clients)), load.seconds + 60)
    times.sort()
    return Measured(
        answers=len(times),
        failures=len(failures),
        seconds=time.perf_counter() - started,
        p50_ms=1000 * times[len(times) // 2] if times else 0,
        p99_ms=1000 * times[len(times) * 99 // 100] if times else 0,
    )


if __name__ == "__main__":
    wanted = msgspec.json.decode(sys.stdin.buffer.read(), type=Load)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(run(wanted))))
