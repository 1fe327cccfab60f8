from __future__ import annotations

import asyncio
import gzip
import zlib

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.errors import GatewayError
from gateway.intake import expand, read_body

TEXT = b'{"model": "auto"}' * 50


def bare(data: bytes) -> bytes:
    """Return raw deflate data."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "raw"),
    [
        ("gzip", gzip.compress(TEXT, mtime=0)),
        ("x-gzip", gzip.compress(TEXT, mtime=0)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", bare(TEXT)),
    ],
)
def test_expands(encoding: str, raw: bytes) -> None:
    """Both readings of `deflate` and both names of gzip are understood."""
    assert expand(raw, encoding, len(TEXT)) == TEXT


@pytest.mark.parametrize(
    ("encoding", "raw", "status"),
    [
        ("gzip", gzip.compress(TEXT, mtime=0)[:-9], 400),
        ("gzip", gzip.compress(TEXT, mtime=0) + b"more", 400),
        ("gzip", b"", 400),
        ("deflate", b"plain", 400),
        ("br", TEXT, 415),
        ("gzip, gzip", gzip.compress(TEXT, mtime=0), 415),
        ("gzip", gzip.compress(bytes(10**8), mtime=0), 413),
        ("deflate", zlib.compress(bytes(10**8)), 413),
    ],
)
def test_refuses(encoding: str, raw: bytes, status: int) -> None:
    """What is cut, padded, foreign or too large is refused."""
    with pytest.raises(GatewayError) as refused:
        expand(raw, encoding, 10_000)
    assert refused.value.http_status == status


@pytest.mark.parametrize("drips", [False, True])
async def test_body_that_never_ends(*, drips: bool) -> None:
    """A client that stops in the middle of its body, or lets it drip, is told so in time."""

    async def handler(request: web.Request) -> web.Response:
        with pytest.raises(GatewayError) as refused:
            await read_body(request, idle_s=0.1)
        return web.Response(text=str(refused.value.http_status))

    app = web.Application()
    app.router.add_post("/", handler)
    async with TestServer(app) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\nconnection: close\r\n\r\n{")
        answered = asyncio.ensure_future(reader.readuntil(b"\r\n\r\n"))
        while drips and not answered.done():
            writer.write(b"1")
            await asyncio.wait([answered], timeout=0.03)
        head = await answered
        assert head.startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(3) == b"408"
        writer.close()
