"""Every stage of a call has its time-out, and cancelling ends it at once."""

from __future__ import annotations

import asyncio

import pytest
from hostile_server import Peer, hostile, then_stall
from http_calls import SHORT_S, Make, call_to, chunked, failure, fetch, sized

from gateway.exchange import Reply, Timeouts, TransportFailure, Upstream

STALLS = {
    "first byte": (b"", Timeouts(first_byte_s=SHORT_S)),
    "first byte after interim": (b"HTTP/1.1 100 Continue\r\n\r\n", Timeouts(first_byte_s=SHORT_S)),
    "first byte, half a head": (b"HTTP/1.1 200 OK\r\nx-a:", Timeouts(first_byte_s=SHORT_S)),
    "idle": (sized(b"12345")[:-1], Timeouts(idle_s=SHORT_S)),
    "idle in a chunk": (chunked(b"12345", end=b"5\r\n12"), Timeouts(idle_s=SHORT_S)),
    "total": (b"", Timeouts(total_s=SHORT_S)),
    "total in the body": (sized(b"12345")[:-1], Timeouts(total_s=SHORT_S)),
}


@pytest.mark.parametrize("case", STALLS)
async def test_stall(upstream: Upstream, case: str) -> None:
    """Each stage has its time-out, which names it, and the connection is closed."""
    sent, timeouts = STALLS[case]
    async with hostile(then_stall(sent)) as server:
        failed = await failure(upstream, call_to(server, timeouts=timeouts))
        assert failed.kind == "timeout"
        assert str(failed).startswith(case.partition(" ")[0])
        await asyncio.wait_for(server.left.wait(), 1)


async def read_slowly(reply: Reply) -> None:
    """Read so slowly that there is always more to read."""
    async for _ in reply:
        for _ in range(50):
            await asyncio.sleep(0)


async def test_endless_answer(upstream: Upstream) -> None:
    """The total time-out ends a stream that never pauses."""

    async def behave(peer: Peer) -> None:
        await peer.answer(chunked(end=b""))
        while True:
            await peer.send(b"5\r\nagain\r\n" * 500)

    async with hostile(behave) as server:
        reply = await upstream.send(call_to(server, timeouts=Timeouts(total_s=0.2)))
        with pytest.raises(TransportFailure, match="total"):
            await read_slowly(reply)
        await reply.close()


async def test_slow_connect(upstream: Upstream) -> None:
    """A peer that accepts but never finishes the TLS handshake runs into the connect time-out."""

    async def behave(peer: Peer) -> None:
        await peer.stay()

    async with hostile(behave) as server:
        url = server.url.replace("http:", "https:")
        failed = await failure(upstream, call_to(url, timeouts=Timeouts(connect_s=SHORT_S)))
        assert (failed.kind, str(failed).split(" ")[0]) == ("timeout", "connect")
        await asyncio.wait_for(server.left.wait(), 1)


async def test_queue_counts_as_connecting(make: Make) -> None:
    """Waiting for a free connection runs into the connect time-out."""
    upstream = make(max_connections_per_origin=1)
    async with hostile(then_stall(sized(b"12")[:-1])) as server:
        holder = await upstream.send(call_to(server))
        failed = await failure(upstream, call_to(server, timeouts=Timeouts(connect_s=SHORT_S)))
        assert (failed.kind, str(failed).split(" ")[0]) == ("timeout", "connect")
        await holder.close()
        await upstream.close()


async def test_cancelled_before_the_head(upstream: Upstream) -> None:
    """Cancelling a caller who waits for the answer closes the connection at once."""
    async with hostile(then_stall(b"")) as server:
        task = asyncio.create_task(fetch(upstream, call_to(server)))
        await server.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.left.wait(), 1)


async def test_cancelled_inside_the_body(upstream: Upstream) -> None:
    """Cancelling a caller who reads closes the connection at once, even if the reply is not closed."""
    async with hostile(then_stall(sized(b"12")[:-1])) as server:
        reply = await upstream.send(call_to(server))
        task = asyncio.create_task(reply.read(2))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.left.wait(), 1)
        await reply.close()
