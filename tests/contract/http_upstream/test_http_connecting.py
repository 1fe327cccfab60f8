"""Reaching the upstream: refusals, TLS, a proxy."""

from __future__ import annotations

import ssl
import warnings

import pytest
import trustme
from hostile_server import OK, always, hostile
from http_calls import MIB, Make, call_to, failure, fetch, server_context, sized, trusting

from gateway.exchange import Upstream
from gateway.upstreams.aiohttp_client import AiohttpClient


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/v1", "http://nowhere.invalid/v1", "https://127.0.0.1:1/v1"]
)
async def test_connect_failed(upstream: Upstream, url: str) -> None:
    """A refused connection and an unknown host fail to connect, in a short message."""
    failed = await failure(upstream, call_to(url))
    assert failed.kind == "connect_failed"
    assert len(str(failed)) < 300


async def test_tls_trusted(make: Make, authority: trustme.CA) -> None:
    """A server whose authority is trusted is reached, by its name, on one connection."""
    upstream, names = make(tls=trusting(authority)), []
    context = server_context(authority, "localhost")
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    async with hostile(always(sized(b"t" * MIB)), context) as server:
        assert [len(await fetch(upstream, call_to(server))) for _ in range(2)] == [MIB, MIB]
        assert (names, server.connections) == (["localhost"], 1)
        await upstream.close()


@pytest.mark.parametrize("name", ["localhost", "other.example"], ids=["unknown authority", "wrong name"])
async def test_tls_refused(make: Make, authority: trustme.CA, name: str) -> None:
    """A certificate of an unknown authority, or for another name, is refused."""
    upstream = make() if name == "localhost" else make(tls=trusting(authority))
    async with hostile(always(OK), server_context(authority, name)) as server:
        assert (await failure(upstream, call_to(server))).kind == "connect_failed"
        assert server.requests == []
        await upstream.close()


async def test_old_tls_refused(make: Make, authority: trustme.CA) -> None:
    """TLS before 1.2 is not spoken."""
    context = server_context(authority, "localhost")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    upstream = make(tls=trusting(authority))
    async with hostile(always(OK), context) as server:
        assert (await failure(upstream, call_to(server))).kind == "connect_failed"
        await upstream.close()


async def test_proxy() -> None:
    """Through a proxy the whole url is asked for."""
    async with hostile(always(OK)) as proxy:
        upstream = AiohttpClient(proxy=proxy.url.partition("/v1")[0])
        assert await fetch(upstream, call_to("http://vendor.invalid/v1")) == b"ok"
        await upstream.close()
    assert proxy.requests[0].startswith(b"POST http://vendor.invalid/v1 HTTP/1.1\r\n")
