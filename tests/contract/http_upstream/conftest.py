"""The two HTTP clients; every test of this folder runs against both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest
import trustme
from http_calls import Make

from gateway.exchange import Upstream
from gateway.upstreams.aiohttp_client import AiohttpClient
from gateway.upstreams.pool import HttpPool

CLIENTS = [
    pytest.param(HttpPool, id="pool"),
    pytest.param(partial(AiohttpClient, trust_env=False), id="aiohttp"),
]


@pytest.fixture(params=CLIENTS)
def make(request: pytest.FixtureRequest) -> Make:
    """Give the class under test."""
    client: Make = request.param
    return client


@pytest.fixture
async def upstream(make: Make) -> AsyncIterator[Upstream]:
    """Give a client with its defaults."""
    client = make()
    yield client
    await client.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Give a certificate authority that nobody trusts yet."""
    return trustme.CA()
