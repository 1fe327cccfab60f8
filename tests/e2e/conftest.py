"""Scripted vendors, a gateway in front of them, and the official client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import uvloop
from openai import AsyncOpenAI
from running_gateway import Json, Launch, Running, configure, run_gateway

from gateway.upstreams.scripted import Vendors, serve_scripted


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, object]:
    """Run these tests on the loop the gateway is served on."""
    del config, item
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def vendors() -> AsyncIterator[Vendors]:
    """Give fake vendors without a script."""
    async with serve_scripted() as serving:
        yield serving


@pytest.fixture
async def launch(tmp_path: Path, vendors: Vendors) -> AsyncIterator[Launch]:
    """Give a function that starts a gateway with some sections of its configuration replaced."""
    async with AsyncExitStack() as stack:

        async def start(**sections: Json | list[Json]) -> Running:
            config = configure(vendors, **sections)
            return await stack.enter_async_context(run_gateway(tmp_path, vendors, config))

        yield start


@pytest.fixture
async def gateway(launch: Launch) -> Running:
    """Give a gateway as configured by default."""
    return await launch()


@pytest.fixture
async def key(gateway: Running) -> str:
    """Give a key of team red."""
    return await gateway.key()


@pytest.fixture
def client(gateway: Running, key: str) -> AsyncOpenAI:
    """Give the official client of team red."""
    return gateway.client(key)
