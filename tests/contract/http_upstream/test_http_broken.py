"""Answers that are not HTTP, break off, or say too much."""

from __future__ import annotations

import asyncio

import pytest
from hostile_server import OK, Peer, always, hostile, then_stall
from http_calls import call_to, chunked, failure, fetch, sized

from gateway.exchange import TransportFailure, Upstream
from gateway.upstreams.http1 import AnswerParser
from gateway.upstreams.pool import HttpPool

GARBLED = {
    "garbage": b"\x16\x03\x01\x00\xa5 not http at all",
    "bad status": b"HTTP/1.1 banana\r\n\r\n",
    "no colon": b"HTTP/1.1 200 OK\r\njust words\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
    "header flood": b"HTTP/1.1 200 OK\r\n" + b"x-a: 1\r\n" * 30_000 + b"\r\n",
    "endless header line": b"HTTP/1.1 200 OK\r\nx-a: " + b"a" * 300_000,
    "endless status line": b"HTTP/1.1 200 " + b"a" * 300_000,
    "too many headers": b"HTTP/1.1 200 OK\r\n" + b"".join(b"x-%d: 1\r\n" % n for n in range(300)) + b"\r\n",
    "transfer coding": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
    "upgrade": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
}


@pytest.mark.parametrize("case", GARBLED)
async def test_garbled(upstream: Upstream, case: str) -> None:
    """What is not HTTP, or is beyond all bounds, is garbled."""
    async with hostile(then_stall(GARBLED[case])) as server:
        assert (await failure(upstream, call_to(server))).kind == "garbled"
        await asyncio.wait_for(server.left.wait(), 1)


CUT = {
    "in the head": b"HTTP/1.1 200 OK\r\ncontent-",
    "after the head": sized(b"12")[:-2],
    "short of its length": sized(b"12345")[:-1],
    "between chunks": chunked(b"12345", end=b""),
    "in a chunk": chunked(b"12345", end=b"5\r\n12"),
}


@pytest.mark.parametrize("case", CUT)
@pytest.mark.parametrize("how", ["close", "half-close", "reset"])
async def test_cut_off(upstream: Upstream, case: str, how: str) -> None:
    """An answer that breaks off is cut off, whether by close, half-close or reset."""

    async def behave(peer: Peer) -> None:
        await peer.answer(CUT[case])
        if how == "half-close":
            peer.writer.write_eof()
            await peer.stay()
        if how == "reset":
            peer.reset()

    async with hostile(behave) as server:
        assert (await failure(upstream, call_to(server))).kind == "cut_off"


async def test_reset_until_close() -> None:
    """A body that only the connection's end delimits is cut off when that end is a reset."""

    async def behave(peer: Peer) -> None:
        await peer.answer(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        await peer.server.asked.wait()
        peer.reset()

    upstream = HttpPool()
    async with hostile(behave) as server:
        reply = await upstream.send(call_to(server))
        server.asked.set()
        with pytest.raises(TransportFailure, match="inside the answer"):
            await reply.read(100)
        await reply.close()
        await upstream.close()


@pytest.mark.parametrize("tail", [b"zz\r\nx\r\n0\r\n\r\n", b"3\r\nabcdef"])
async def test_bad_chunk(upstream: Upstream, tail: bytes) -> None:
    """Chunks that contradict themselves never look like a whole body."""
    async with hostile(then_stall(chunked(b"ok", end=tail))) as server:
        assert (await failure(upstream, call_to(server))).kind in {"garbled", "cut_off"}


async def test_answer_too_many(upstream: Upstream) -> None:
    """Bytes after an answer never become the next call's answer."""
    async with hostile(always(OK + sized(b"evil"))) as server:
        assert [await fetch(upstream, call_to(server)) for _ in range(3)] == [b"ok"] * 3


async def test_answer_out_of_turn() -> None:
    """Bytes that arrive while a connection rests never become the next call's answer."""
    upstream, rested = HttpPool(), asyncio.Event()

    async def behave(peer: Peer) -> None:
        await peer.answer(OK)
        await rested.wait()
        if peer.server.connections == 1:
            await peer.send(sized(b"evil"))
        await always(OK)(peer)

    async with hostile(behave) as server:
        await fetch(upstream, call_to(server))
        rested.set()
        await asyncio.wait_for(server.left.wait(), 1)
        assert await fetch(upstream, call_to(server)) == b"ok"
    await upstream.close()


def test_head_in_one_piece() -> None:
    """The bound on the head's size holds when head and body come in one piece, and spares the body."""
    AnswerParser(1_000).feed(sized(b"b" * 5_000, "x-a: " + "a" * 800))
    with pytest.raises(TransportFailure, match="over 1000 bytes"):
        AnswerParser(1_000).feed(sized(b"b" * 5_000, "x-a: " + "a" * 1_000))
