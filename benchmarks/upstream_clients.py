"""Compare the two HTTP clients side by side: CPU of this process per call, in interleaved rounds.

    python benchmarks/upstream_clients.py [--rounds 5] [--calls 4000] [--concurrency 32]

The upstream is a child process, so its CPU is not counted. Cases: an 8 KB request answered by 1.3 KB of
JSON, and one answered by a stream of 200 events, each in an HTTP chunk of its own, sent at once.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import uvloop

from gateway.exchange import Call, Upstream
from gateway.upstreams.aiohttp_client import AiohttpClient
from gateway.upstreams.pool import HttpPool

CLIENTS: dict[str, Callable[[], Upstream]] = {
    "pool": HttpPool,
    "aiohttp": lambda: AiohttpClient(trust_env=False),
}
CASES = ("json", "stream")
HEADERS = {"authorization": "Bearer sk-not-a-key", "content-type": "application/json", "accept": "*/*"}

_EVENT = b'data: {"id":"c-1","object":"chat.completion.chunk","choices":[{"delta":{"content":" word"}}]}\n\n'
_JSON_ANSWER = b'{"choices":[{"message":{"role":"assistant","content":"%b"}}]}' % (b"x" * 1_240)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\nx-request-id: req_1\r\n"
_ANSWERS = {
    b"json": _HEAD % b"application/json"
    + b"content-length: %d\r\n\r\n%b" % (len(_JSON_ANSWER), _JSON_ANSWER),
    b"stream": _HEAD % b"text/event-stream"
    + b"transfer-encoding: chunked\r\n\r\n"
    + b"%x\r\n%b\r\n" % (len(_EVENT), _EVENT) * 200
    + b"0\r\n\r\n",
}


@dataclass(frozen=True, slots=True)
class Load:
    """How much is sent in one round."""

    base_url: str
    calls: int
    concurrency: int


class Answerer(asyncio.Protocol):
    """An upstream that reads a request to its end and sends the answer its path names."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._read = b""

    def data_received(self, data: bytes) -> None:
        """Answer once the body is complete."""
        self._read += data
        head, separator, body = self._read.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) >= length:
            self._read = b""
            self._transport.write(_ANSWERS[head.split(b" ", 2)[1].strip(b"/")])


async def serve() -> None:
    """Answer on a free port, which is printed, until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Answerer, "127.0.0.1", 0, backlog=1_024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def call_repeatedly(client: Upstream, case: str, load: Load) -> None:
    """Make one worker's share of the calls, one after the other."""
    call = Call(
        deployment="bench",
        url=f"{load.base_url}/{case}",
        headers=HEADERS,
        body=b"x" * 8_192,
        stream=case == "stream",
    )
    for _ in range(load.calls // load.concurrency):
        reply = await client.send(call)
        if call.stream:
            async for _piece in reply:
                pass
        else:
            await reply.read(1_000_000)
        await reply.close()


async def measure(make: Callable[[], Upstream], case: str, load: Load) -> float:
    """Return the CPU microseconds of this process per call."""
    client = make()
    await call_repeatedly(client, case, Load(load.base_url, 64, 1))
    began = time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(load.concurrency):
            tasks.create_task(call_repeatedly(client, case, load))
    spent = time.process_time() - began
    await client.close()
    return spent / load.calls * 1e6


async def compare(load: Load, rounds: int) -> None:
    """Print the median of each client and case over interleaved rounds."""
    figures: dict[tuple[str, str], list[float]] = {(case, name): [] for case in CASES for name in CLIENTS}
    for _ in range(rounds):
        for (case, name), measured in figures.items():
            measured.append(await measure(CLIENTS[name], case, load))
    for case in CASES:
        medians = {name: statistics.median(figures[case, name]) for name in CLIENTS}
        shown = "  ".join(f"{name} {value:7.1f} us/call" for name, value in medians.items())
        print(f"{case:7} {shown}  aiohttp/pool {medians['aiohttp'] / medians['pool']:.1f}")


def main() -> None:
    """Run the upstream and the comparison."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--calls", type=int, default=4_000)
    options.add_argument("--concurrency", type=int, default=32)
    options.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.serve:
        uvloop.run(serve())
        return
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as upstream:  # noqa: S603 - this very file
        port = upstream.stdout.readline().strip() if upstream.stdout else ""
        load = Load(f"http://127.0.0.1:{port}", chosen.calls, chosen.concurrency)
        try:
            uvloop.run(compare(load, chosen.rounds))
        finally:
            upstream.terminate()


if __name__ == "__main__":
    main()
