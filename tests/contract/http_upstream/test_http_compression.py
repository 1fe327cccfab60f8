"""Compressed bodies, and those that only seem so."""

from __future__ import annotations

import zlib

import pytest
from hostile_server import always, hostile
from http_calls import MIB, call_to, chunked, failure, fetch, sized

from gateway.exchange import Upstream


def packed(body: bytes, window_bits: int) -> bytes:
    """Return `body` compressed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, window_bits)
    return packer.compress(body) + packer.flush()


TEXT = b"the same words again and again; " * 5_000
PACKED = {
    "gzip": ("gzip", packed(TEXT, 31)),
    "upper case": ("GZIP", packed(TEXT, 31)),
    "gzip in members": ("gzip", packed(TEXT[:10], 31) + packed(TEXT[10:], 31)),
    "deflate": ("deflate", packed(TEXT, 15)),
    "raw deflate": ("deflate", packed(TEXT, -15)),
    "identity": ("identity", TEXT),
}


@pytest.mark.parametrize("case", PACKED)
@pytest.mark.parametrize("step", [7, 100_000])
async def test_compression_undone(upstream: Upstream, case: str, step: int) -> None:
    """A vendor that compresses unasked is understood, however the bytes are cut."""
    coding, body = PACKED[case]
    chunks = [body[start : start + step] for start in range(0, len(body), step)]
    answer = chunked(*chunks).replace(b"\r\n", f"\r\ncontent-encoding: {coding}\r\n".encode(), 1)
    async with hostile(always(answer)) as server:
        assert await fetch(upstream, call_to(server)) == TEXT


BROKEN = {
    "brotli": ("br", b"\x0b\x02\x80hello\x03"),
    "two codings": ("gzip, gzip", packed(TEXT, 31)),
    "cut": ("gzip", packed(TEXT, 31)[:-4]),
    "damaged": ("gzip", b"\x1f\x8b\x08" + b"\xff" * 50),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_compression_broken(upstream: Upstream, case: str) -> None:
    """Compression that cannot be undone is garbled, though status and headers are given."""
    coding, body = BROKEN[case]
    async with hostile(always(sized(body, f"content-encoding: {coding}"))) as server:
        assert (await failure(upstream, call_to(server))).kind == "garbled"


async def test_bomb_against_limit(upstream: Upstream) -> None:
    """A small answer that swells is stopped at the limit."""
    bomb = packed(b"\0" * 64 * MIB, 31)
    async with hostile(always(sized(bomb, "content-encoding: gzip"))) as server:
        assert (await failure(upstream, call_to(server), limit=2 * MIB)).kind == "garbled"


async def test_bomb_in_pieces(upstream: Upstream) -> None:
    """Iteration unpacks no more than a bounded piece at a time, and all of it."""
    bomb = packed(b"\0" * (32 * MIB - 1), 31)
    async with hostile(always(sized(bomb, "content-encoding: gzip"))) as server:
        reply = await upstream.send(call_to(server))
        sizes = [len(piece) async for piece in reply]
        await reply.close()
    assert (sum(sizes), max(sizes)) == (32 * MIB - 1, MIB)
