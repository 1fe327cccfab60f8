from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.client_answer import send_whole


async def ask(head: str, headers: dict[str, str]) -> bytes:
    """Return all that a server sends that answers with these headers, until it closes or is asked no more."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return await send_whole(request, headers, b'{"a": 1}', 0.0)

    app = web.Application()
    app.router.add_get("/", answer)
    async with TestServer(app) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(f"GET / {head}\r\n\r\n".encode())
        told = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        return told


@pytest.mark.parametrize(
    ("head", "begins"),
    [
        ("HTTP/1.1\r\nhost: x", b"HTTP/1.1 200 OK\r\nx-a: b\r\n"),
        ("HTTP/1.1\r\nhost: x\r\nconnection: close", b"HTTP/1.1 200 OK\r\nconnection: close\r\nx-a: b\r\n"),
        ("HTTP/1.0", b"HTTP/1.0 200 OK\r\nx-a: b\r\n"),
        ("HTTP/1.0\r\nconnection: keep-alive", b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\nx-a: b\r\n"),
    ],
    ids=["kept", "closed", "old", "old and kept"],
)
async def test_connection_told(head: str, begins: bytes) -> None:
    """Each version of HTTP is told in its own way what becomes of the connection."""
    told = await ask(head, {"x-a": "b"})
    assert told.startswith(begins)
    assert b"content-length: 8\r\n" in told
    assert b"date: Thu, 01 Jan 1970 00:00:00 GMT\r\n" in told


async def test_no_smuggled_header() -> None:
    """A header that would end its line is not sent."""
    told = await ask("HTTP/1.1\r\nhost: x", {"x-a": "b\r\nx-evil: c"})
    assert told.startswith(b"HTTP/1.1 500 ")
    assert b"x-evil" not in told
