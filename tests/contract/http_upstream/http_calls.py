"""Calls, answers and certificates for the tests of the HTTP clients."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping

import pytest
import trustme
from hostile_server import HostileServer

from gateway.exchange import Call, Timeouts, TransportFailure, Upstream

KEY = "sk-vendor-key"
MIB = 1_048_576
PROMPT = Timeouts(connect_s=5, first_byte_s=5, idle_s=5, total_s=10)
SHORT_S = 0.1

Make = Callable[..., Upstream]


def call_to(
    server: HostileServer | str,
    *,
    body: bytes = b"{}",
    timeouts: Timeouts = PROMPT,
    headers: Mapping[str, str] | None = None,
) -> Call:
    """Return a call that carries the vendor key."""
    url = server if isinstance(server, str) else server.url
    given = {"authorization": f"Bearer {KEY}", "content-type": "application/json", **(headers or {})}
    return Call(deployment="opus", url=url, headers=given, body=body, stream=True, timeouts=timeouts)


async def fetch(upstream: Upstream, call: Call, limit: int = 20 * MIB) -> bytes:
    """Return the body of one whole call."""
    reply = await upstream.send(call)
    try:
        return await reply.read(limit)
    finally:
        await reply.close()


async def failure(upstream: Upstream, call: Call, limit: int = 20 * MIB) -> TransportFailure:
    """Return how a call fails, having seen that the vendor key is not told."""
    with pytest.raises(TransportFailure) as caught:
        await fetch(upstream, call, limit)
    assert KEY not in str(caught.value)
    return caught.value


def sized(body: bytes, *lines: str) -> bytes:
    """Return an answer of status 200 with a content-length."""
    head = "".join(f"{line}\r\n" for line in ("HTTP/1.1 200 OK", *lines, f"content-length: {len(body)}"))
    return head.encode() + b"\r\n" + body


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """Return an answer of status 200 in chunks."""
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + framed + end


def server_context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    """Return the context of a server that calls itself `name`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """Return the context of a client that trusts `authority`."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context
