"""When a connection is reused, repeated, queued for or dropped."""

from __future__ import annotations

import asyncio

import pytest
from hostile_server import OK, Peer, always, hostile, once, then_stall
from http_calls import Make, call_to, chunked, failure, fetch, sized

from gateway.exchange import Timeouts, TransportFailure, Upstream


@pytest.mark.parametrize(
    "answer", [sized(b"ok", "connection: close"), b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok"]
)
async def test_no_reuse_when_told(upstream: Upstream, answer: bytes) -> None:
    """A server that will close is not asked again on that connection."""
    async with hostile(always(answer)) as server:
        assert [await fetch(upstream, call_to(server)) for _ in range(2)] == [b"ok", b"ok"]
        assert server.connections == 2


async def test_no_reuse_when_unread(upstream: Upstream) -> None:
    """A reply closed early takes its connection with it, at once and as often as one likes."""
    async with hostile(then_stall(chunked(b"first", end=b""))) as server:
        reply = await upstream.send(call_to(server))
        await reply.close()
        await asyncio.wait_for(server.left.wait(), 1)
        await reply.close()
        with pytest.raises(TransportFailure):
            await reply.read(100)


async def test_reuse_when_nothing_is_left(upstream: Upstream) -> None:
    """An answer that is whole, though nobody read it, leaves a good connection."""
    async with hostile(always(OK)) as server:
        await (await upstream.send(call_to(server))).close()
        await fetch(upstream, call_to(server))
        assert server.connections == 1


async def test_stale_connection(upstream: Upstream) -> None:
    """A call that finds its resting connection closed is sent again, on a new one."""

    async def behave(peer: Peer) -> None:
        await peer.answer(OK)
        await peer.request()  # and close without an answer

    async with hostile(behave) as server:
        assert [await fetch(upstream, call_to(server)) for _ in range(2)] == [b"ok", b"ok"]
        assert (server.connections, len(server.requests)) == (2, 3)


async def test_stale_only_once(upstream: Upstream) -> None:
    """The repetition is not repeated."""

    async def behave(peer: Peer) -> None:
        await peer.request()
        if peer.server.connections == 1:
            await peer.send(OK)
            await peer.request()

    async with hostile(behave) as server:
        await fetch(upstream, call_to(server))
        assert (await failure(upstream, call_to(server))).kind == "cut_off"
        assert len(server.requests) == 3


async def test_not_stale_after_a_byte(upstream: Upstream) -> None:
    """Once any of the answer had come, the call is not sent again."""

    async def behave(peer: Peer) -> None:
        await peer.answer(OK)
        await peer.answer(b"HTTP/1.1 200 OK\r\n")

    async with hostile(behave) as server:
        await fetch(upstream, call_to(server))
        assert (await failure(upstream, call_to(server))).kind == "cut_off"
        assert len(server.requests) == 2


async def test_fresh_connection_not_repeated(upstream: Upstream) -> None:
    """A connection that never served anything is not stale."""
    async with hostile(once(b"")) as server:
        assert (await failure(upstream, call_to(server))).kind == "cut_off"
        assert len(server.requests) == 1


async def test_idle_connection_expires(make: Make) -> None:
    """A connection that rests too long is closed from our side."""
    upstream = make(keep_alive_s=0.05)
    async with hostile(always(OK)) as server:
        await fetch(upstream, call_to(server))
        await asyncio.wait_for(server.left.wait(), 2)
        await fetch(upstream, call_to(server))
        assert server.connections == 2
        await upstream.close()


async def test_connection_limit(make: Make) -> None:
    """300 calls on at most 20 connections all succeed."""
    upstream = make(max_connections_per_origin=20)
    async with hostile(always(sized(b"x" * 9_000))) as server:
        bodies = await asyncio.gather(*(fetch(upstream, call_to(server)) for _ in range(300)))
        assert {len(body) for body in bodies} == {9_000}
        assert (len(bodies), server.connections) == (300, 20)
        await upstream.close()


async def test_queue_is_fair(make: Make) -> None:
    """Those who wait for a connection are served in the order they came."""
    upstream = make(max_connections_per_origin=1)
    async with hostile(always(OK)) as server:
        await asyncio.gather(*(fetch(upstream, call_to(server, body=b"%d" % n)) for n in range(9)))
    assert [request[-1:] for request in server.requests] == [b"%d" % n for n in range(9)]
    await upstream.close()


async def test_queue_survives_cancellation(make: Make) -> None:
    """A slot passes over those who gave up waiting for it."""
    upstream = make(max_connections_per_origin=1)
    async with hostile(always(OK)) as server:
        first = await upstream.send(call_to(server))
        waiting = [asyncio.create_task(fetch(upstream, call_to(server))) for _ in range(4)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        waiting[2].cancel()
        await first.close()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [asyncio.CancelledError, bytes] * 2
        await upstream.close()


@pytest.mark.parametrize("read", [False, True], ids=["slot", "connection"])
async def test_grant_to_a_leaver(make: Make, *, read: bool) -> None:
    """What was granted to a caller who left in that moment goes to the next one."""
    upstream = make(max_connections_per_origin=1)
    async with hostile(always(OK)) as server:
        first = await upstream.send(call_to(server))
        leaver, heir = (asyncio.create_task(fetch(upstream, call_to(server))) for _ in range(2))
        await asyncio.sleep(0)
        if read:
            await first.read(2)
        await first.close()
        leaver.cancel()
        assert await asyncio.wait_for(heir, 1) == b"ok"
        await upstream.close()


async def test_slots_come_back(make: Make) -> None:
    """No kind of failure keeps a slot."""
    upstream = make(max_connections_per_origin=1)
    short = Timeouts(first_byte_s=0.05)
    for behaviour in (once(b""), always(b"junk\r\n\r\n"), then_stall(b""), always(sized(b"")), always(OK)):
        async with hostile(behaviour) as server:
            for _ in range(2):
                await asyncio.gather(fetch(upstream, call_to(server, timeouts=short)), return_exceptions=True)
    server_url = "http://127.0.0.1:1/"
    assert [(await failure(upstream, call_to(server_url))).kind for _ in range(2)] == ["connect_failed"] * 2
    await upstream.close()
