"""The fake vendors and their clients."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anthropic
import httpx
import openai
import pytest
from scripted_calls import (
    TLS,
)

from gateway.clock import FixedClock
from gateway.upstreams.scripted import Vendors, serve_scripted


@pytest.fixture
async def vendors() -> AsyncIterator[Vendors]:
    """A fake on a free port."""
    async with serve_scripted(clock=FixedClock()) as served:
        yield served


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A raw client."""
    async with httpx.AsyncClient(timeout=5, verify=TLS) as client:
        yield client


@pytest.fixture
async def chat(vendors: Vendors) -> AsyncIterator[openai.AsyncOpenAI]:
    """OpenAI's client, pointed at Z.ai."""
    wire = openai.DefaultAsyncHttpxClient(verify=TLS)
    async with openai.AsyncOpenAI(
        base_url=vendors.zai_url, api_key="k", max_retries=0, http_client=wire
    ) as client:
        yield client


@pytest.fixture
async def claude(vendors: Vendors) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """Anthropic's client."""
    wire = anthropic.DefaultAsyncHttpxClient(verify=TLS)
    async with anthropic.AsyncAnthropic(
        base_url=vendors.url, api_key="k", max_retries=0, http_client=wire
    ) as client:
        yield client
