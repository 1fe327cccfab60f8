"""What close leaves behind; and both clients on uvloop."""

from __future__ import annotations

import asyncio
import gc
import warnings

import pytest
import trustme
import uvloop
from hostile_server import OK, Peer, always, hostile, once, then_stall
from http_calls import MIB, SHORT_S, Make, call_to, failure, fetch, server_context, sized, trusting

from gateway.exchange import Timeouts
from gateway.upstreams.pool import HttpPool


@pytest.mark.parametrize("secure", [False, True])
async def test_close_leaves_nothing(make: Make, authority: trustme.CA, *, secure: bool) -> None:
    """After close there is no task and no open socket left."""
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        upstream = make(tls=trusting(authority))
        async with hostile(always(OK), server_context(authority, "localhost") if secure else None) as server:
            await asyncio.gather(*(fetch(upstream, call_to(server)) for _ in range(5)))
            unread = await upstream.send(call_to(server))
            await unread.close()
            await upstream.close()
            await upstream.close()
        del upstream, unread
        gc.collect()
    assert [str(warning.message) for warning in caught] == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_close_waits_for_sockets() -> None:
    """When close returns, the resting connections are closed, not about to be."""
    upstream = HttpPool()
    async with hostile(always(OK)) as server:
        await fetch(upstream, call_to(server))
        (origin,) = upstream._origins.values()
        assert len(origin._open) == 1
        await upstream.close()
        assert not origin._open


async def test_close_spares_calls(make: Make) -> None:
    """A call under way at close is finished, and then its connection closed."""
    upstream, go_on = make(), asyncio.Event()

    async def behave(peer: Peer) -> None:
        await peer.answer(sized(b"12")[:-1])
        await go_on.wait()
        await peer.send(b"2")
        await peer.stay()

    async with hostile(behave) as server:
        reply = await upstream.send(call_to(server))
        await upstream.close()
        go_on.set()
        assert await reply.read(2) == b"12"
        await reply.close()
        await asyncio.wait_for(server.left.wait(), 1)
        assert (await failure(upstream, call_to(server))).kind == "connect_failed"


def test_on_uvloop(make: Make, authority: trustme.CA) -> None:
    """Both clients work on uvloop: plain, TLS, big, cut off, late, cancelled."""

    async def smoke() -> list[object]:
        upstream = make(tls=trusting(authority))
        seen: list[object] = []
        for context in (None, server_context(authority, "localhost")):
            async with hostile(always(sized(b"t" * 4 * MIB)), context) as server:
                seen += [len(await fetch(upstream, call_to(server))) for _ in range(2)] + [server.connections]
        async with hostile(once(sized(b"12")[:-1])) as server:
            seen.append((await failure(upstream, call_to(server))).kind)
        async with hostile(then_stall(b"")) as server:
            seen.append(
                (await failure(upstream, call_to(server, timeouts=Timeouts(first_byte_s=SHORT_S)))).kind
            )
            await asyncio.wait_for(server.left.wait(), 1)
        await upstream.close()
        return seen

    assert uvloop.run(smoke()) == [4 * MIB, 4 * MIB, 1] * 2 + ["cut_off", "timeout"]
