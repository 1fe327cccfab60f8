"""A request's head, and an answer's head and body, as they should be."""

from __future__ import annotations

import asyncio

import pytest
from hostile_server import OK, Peer, always, hostile, once
from http_calls import KEY, MIB, call_to, chunked, failure, fetch, sized

from gateway.exchange import Upstream


async def test_request_head(upstream: Upstream) -> None:
    """The request is HTTP/1.1 with the call's headers, its length, and no wish for compression."""
    async with hostile(always(OK)) as server:
        await fetch(upstream, call_to(f"{server.url}?beta=true", body=b'{"a":1}'))
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    line, *headers = head.lower().split(b"\r\n")
    assert (line, body) == (b"post /v1/chat?beta=true http/1.1", b'{"a":1}')
    assert {b"content-length: 7", b"accept-encoding: identity", b"authorization: bearer sk-vendor-key"} < set(
        headers
    )
    assert sorted({name.partition(b":")[0] for name in headers}) == sorted(
        name.partition(b":")[0] for name in headers
    )


async def test_answer_head(upstream: Upstream) -> None:
    """Header names come in lower case, repeated ones joined; letters are latin-1."""
    answer = "HTTP/1.1 429 Slow\r\nX-A: 1\r\nx-a: 2\r\nRetry-After: é\r\ncontent-length: 0\r\n\r\n"
    async with hostile(always(answer.encode("latin-1"))) as server:
        reply = await upstream.send(call_to(server))
        assert (reply.status, reply.headers["x-a"], reply.headers["retry-after"]) == (429, "1, 2", "é")
        assert await reply.read(0) == b""
        await reply.close()


@pytest.mark.parametrize("name", ["x-a", "x-a\r\nx-b", "x\0"])
@pytest.mark.parametrize("value", ["v\r\nx-b: 1", "v\n", "v\r", "v\0", "v\u2028"])
async def test_header_injection(upstream: Upstream, name: str, value: str) -> None:
    """Nothing can be smuggled in through a header, and the value is not told."""
    async with hostile(always(OK)) as server:
        failed = await failure(upstream, call_to(server, headers={name: f"{value}{KEY}"}))
    assert (failed.kind, server.requests) == ("garbled", [])


@pytest.mark.parametrize("url", ["ftp://localhost/", "http:///v1", "http://[::1/", "http://localhost:99999/"])
async def test_bad_url(upstream: Upstream, url: str) -> None:
    """A url that cannot be called fails to connect."""
    assert (await failure(upstream, call_to(url))).kind == "connect_failed"


WHOLE = {
    "sized": (sized(b"hello"), b"hello"),
    "empty": (sized(b""), b""),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", b""),
    "redirect": (b"HTTP/1.1 307 Moved\r\nlocation: /x\r\ncontent-length: 1\r\n\r\n!", b"!"),
    "odd chunks": (chunked(b"a", b"bc" * 999, b"\r\n", b"0" * 17), b"a" + b"bc" * 999 + b"\r\n" + b"0" * 17),
    "trailers": (chunked(b"x", end=b"0\r\nx-sum: 1\r\nx-a: 2\r\n\r\n"), b"x"),
    "chunk extensions": (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0\r\n\r\n",
        b"x",
    ),
    "continue": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
    "early hints": (b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 3 + OK, b"ok"),
    "8 MB": (sized(b"m" * 8 * MIB), b"m" * 8 * MIB),
}


@pytest.mark.parametrize("case", WHOLE)
async def test_whole_body(upstream: Upstream, case: str) -> None:
    """A body arrives whole however it is framed, and its connection serves the next call."""
    answer, body = WHOLE[case]
    async with hostile(always(answer)) as server:
        assert [await fetch(upstream, call_to(server)) for _ in range(2)] == [body, body]
        assert server.connections == 1


@pytest.mark.parametrize("case", WHOLE)
async def test_iterated_body(upstream: Upstream, case: str) -> None:
    """Iteration gives the same bytes as reading, and no empty piece."""
    answer, body = WHOLE[case]
    async with hostile(always(answer)) as server:
        reply = await upstream.send(call_to(server))
        pieces = [piece async for piece in reply]
        await reply.close()
    assert b"".join(pieces) == body
    assert all(pieces)


async def test_byte_by_byte(upstream: Upstream) -> None:
    """An answer that comes in single bytes is the same answer."""

    async def behave(peer: Peer) -> None:
        await peer.request()
        for byte in b"HTTP/1.1 100 Continue\r\n\r\n" + chunked(b"hello", b"world"):
            await peer.send(bytes([byte]))
            await asyncio.sleep(0)
        await peer.stay()

    async with hostile(behave) as server:
        assert await fetch(upstream, call_to(server)) == b"helloworld"


async def test_body_until_close(upstream: Upstream) -> None:
    """A body without a stated length ends where the connection does."""
    async with hostile(once(b"HTTP/1.1 200 OK\r\n\r\nall there is")) as server:
        assert await fetch(upstream, call_to(server)) == b"all there is"


async def test_pieces_as_they_come(upstream: Upstream) -> None:
    """A piece is given before the next one is sent."""
    go_on = asyncio.Event()

    async def behave(peer: Peer) -> None:
        await peer.answer(chunked(b"one", end=b""))
        await go_on.wait()
        await peer.send(b"3\r\ntwo\r\n0\r\n\r\n")
        await peer.stay()

    async with hostile(behave) as server:
        reply = await upstream.send(call_to(server))
        pieces = aiter(reply)
        assert await anext(pieces) == b"one"
        go_on.set()
        assert [piece async for piece in pieces] == [b"two"]
        await reply.close()


async def test_read_limit(upstream: Upstream) -> None:
    """A body over the limit is garbled; one of just that size is not."""
    async with hostile(always(sized(b"12345"))) as server:
        assert await fetch(upstream, call_to(server), limit=5) == b"12345"
        assert (await failure(upstream, call_to(server), limit=4)).kind == "garbled"


async def test_back_pressure(upstream: Upstream) -> None:
    """While nobody reads, the client stops taking bytes in."""
    async with hostile(always(sized(b"m" * 16 * MIB))) as server:
        reply = await upstream.send(call_to(server))
        sizes = []
        async for piece in reply:
            sizes.append(len(piece))
            for _ in range(50):
                await asyncio.sleep(0)
        await reply.close()
    assert sum(sizes) == 16 * MIB
    assert max(sizes) <= MIB
