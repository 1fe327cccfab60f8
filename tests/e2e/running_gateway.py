"""A gateway in this process or in one of its own, in front of the scripted vendors."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from signal import SIGKILL

import aiohttp
import msgspec
from aiohttp import web
from openai import AsyncOpenAI

from gateway.config_file import load_configuration
from gateway.credentials import fingerprint, mint
from gateway.server import start
from gateway.stores.base import BudgetSpec, Directory, KeySpec, TeamSpec
from gateway.stores.sql_books import SqlBooks
from gateway.upstreams.scripted import Vendors
from gateway.wiring import WIRING, Wiring
from policies.pricing import NANO_PER_USD

ROOT = Path(__file__).parents[2]
GLM, OPUS = "glm-4.5", "claude-opus-4-1-20250805"
"""The vendors' own names of the two models, as the fake vendors are scripted by."""
GLM_KEY, OPUS_KEY, MASTER_KEY = "zv-glm-7f3a91c2", "zv-opus-5be01d88", "sk-gw-master-0123456789abcdef"
ROUTINE, CRITICAL = "sort these lines", "review the oauth token check"
"""An ask for each tier."""
PACK = """\
pack: small
lexicons: {security: [oauth, csrf]}
triggers:
  - id: critical_security
    kind: security
    reason: the ask touches security
    floor: premium
    when: {signal: lexicon.security, at_least: 1}
economy: {enabled: false}
"""
Json = dict[str, object]
_HEARD = re.compile(rb'"url": ?"(http://[^"]+)"')


def configure(vendors: Vendors, **sections: Json | list[Json]) -> Json:
    """Return a configuration of GLM and Opus; a section given is laid over the one that is there."""
    config: Json = {
        "model_list": [
            {
                "model_name": "glm-4.5",
                "litellm_params": {"model": f"zai/{GLM}", "api_base": vendors.zai_url, "api_key": GLM_KEY},
            },
            {
                "model_name": "claude-opus-4-1",
                "litellm_params": {
                    "model": f"anthropic/{OPUS}",
                    "api_base": vendors.anthropic_url,
                    "api_key": OPUS_KEY,
                },
            },
        ],
        "tiers": {"base": ["glm-4.5"], "premium": ["claude-opus-4-1"]},
        "policy": {"packs": ["small.yaml"], "reload_seconds": 0},
        "router_settings": {"num_retries": 0},
        "general_settings": {"master_key": MASTER_KEY, "database_url": "sqlite:///books.db"},
        "server": {"key_cache_seconds": 0, "drain_seconds": 5, "port": 0},
        "teams": [{"name": "red"}, {"name": "blue"}],
    }
    for name, section in sections.items():
        known = config.get(name)
        config[name] = (
            {**known, **section} if isinstance(known, dict) and isinstance(section, dict) else section
        )
    return config


def write_configuration(folder: Path, config: Json) -> Path:
    """Write the configuration and its pack into `folder`; JSON is YAML."""
    (folder / "small.yaml").write_text(PACK, encoding="utf-8")
    path = folder / "config.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


async def mint_key(directory: Directory, team: str = "red", *, budget_usd: str = "", **spec: object) -> str:
    """Add a key to a team and return its secret."""
    secret, limit = mint(), int(float(budget_usd or 0) * NANO_PER_USD)
    given = {"scopes": ("inference", "reports"), "name": secret[-12:]} | spec
    if budget_usd:
        given["budgets"] = (BudgetSpec(limit_nano=limit),)
    key = fingerprint(secret, await directory.pepper())
    await directory.create_key(team, msgspec.convert(given, KeySpec), key, actor="test")
    return secret


@dataclass(slots=True, kw_only=True)
class Running:
    """A gateway in this process."""

    url: str
    folder: Path
    vendors: Vendors
    wiring: Wiring
    http: aiohttp.ClientSession
    clients: list[AsyncOpenAI] = field(default_factory=list)

    @property
    def open_holds(self) -> int:
        """Return how many reservations are open."""
        return self.wiring.state.open_holds

    async def key(self, team: str = "red", **spec: object) -> str:
        """Return a new key's secret."""
        return await mint_key(self.wiring.directory, team, **spec)  # type: ignore[arg-type]

    def client(self, key: str) -> AsyncOpenAI:
        """Return the official client, told not to try again."""
        client = AsyncOpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, timeout=20)
        self.clients.append(client)
        return client

    async def post(
        self, key: str, body: object, path: str = "/v1/chat/completions", **headers: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send a body, bytes as they are and anything else as JSON; return status, headers and body."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        head = {"authorization": f"Bearer {key}", "content-type": "application/json"} | named
        async with self.http.post(self.url + path, data=BytesIO(raw), headers=head) as response:
            return response.status, response.headers, await response.read()

    async def get(self, key: str, path: str) -> tuple[int, Mapping[str, str], bytes]:
        """Fetch a path; return status, headers and body."""
        async with self.http.get(self.url + path, headers={"authorization": f"Bearer {key}"}) as response:
            return response.status, response.headers, await response.read()

    async def rows(self, table: str = "requests") -> list[dict[str, object]]:
        """Return a table of the books, oldest row first."""
        await self.wiring.books.flush()
        return read_rows(self.folder, table)

    async def closed(self, count: int) -> list[dict[str, object]]:
        """Return the requests once `count` of them are in the books; a client that left cannot await that."""
        async with asyncio.timeout(10):
            while len(rows := await self.rows()) < count or self.open_holds:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.002)
        return rows

    async def close(self) -> None:
        """Let go of the clients."""
        for client in self.clients:
            await client.close()


Launch = Callable[..., Awaitable[Running]]
"""Starts a gateway with some sections of its configuration replaced."""


def read_rows(folder: Path, table: str = "requests") -> list[dict[str, object]]:
    """Return a table of the database in `folder`, oldest row first."""
    with closing(sqlite3.connect(folder / "books.db")) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(f"SELECT * FROM {table} ORDER BY at_ms, id")]  # noqa: S608


@asynccontextmanager
async def run_gateway(folder: Path, vendors: Vendors, config: Json) -> AsyncIterator[Running]:
    """Run a gateway in this process for the length of the block."""
    configuration = load_configuration(write_configuration(folder, config))
    runner, url = await start(configuration, host="127.0.0.1", port=0)
    try:
        async with aiohttp.ClientSession() as http:
            running = Running(url=url, folder=folder, vendors=vendors, wiring=_wiring(runner), http=http)
            yield running
            await running.close()
    finally:
        await runner.cleanup()


def _wiring(runner: web.AppRunner) -> Wiring:
    return runner.app[WIRING]


async def prepare_books(folder: Path, *, budget_usd: str = "") -> str:
    """Make the database with team `red` before any gateway runs; return a key's secret."""
    books = SqlBooks(f"sqlite:///{folder / 'books.db'}")
    await books.start()
    try:
        await books.directory.create_team(TeamSpec(name="red"), actor="test")
        return await mint_key(books.directory, budget_usd=budget_usd)
    finally:
        await books.close()


@dataclass(slots=True, kw_only=True)
class Served:
    """`gateway serve` in a process of its own."""

    url: str
    process: asyncio.subprocess.Process
    log: bytes
    reading: asyncio.Task[None] | None = None

    def client(self, key: str) -> AsyncOpenAI:
        """Return the official client, told not to try again."""
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, timeout=20)

    async def stop(self, number: int) -> int:
        """Send a signal, collect the rest of the log, and return the exit status."""
        self.process.send_signal(number)
        return await self.wait()

    async def wait(self) -> int:
        """Return the exit status once the process is gone."""
        if self.reading is not None:
            await self.reading
        return await self.process.wait()

    async def read_log(self) -> None:
        """Read along, so that a talkative gateway never waits for us."""
        assert self.process.stderr is not None
        while part := await self.process.stderr.read(65536):
            self.log += part


@asynccontextmanager
async def serve_gateway(folder: Path, config: Json) -> AsyncIterator[Served]:
    """Run `gateway serve` until the block ends, if nobody stopped it before."""
    path = write_configuration(folder, config)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "serve", "--config", str(path),
        cwd=ROOT, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    log = b""
    assert process.stderr is not None
    try:
        async with asyncio.timeout(60):
            while not (heard := _HEARD.search(log)):
                line = await process.stderr.readline()
                assert line, log.decode()
                log += line
        served = Served(url=heard[1].decode(), process=process, log=log)
        served.reading = asyncio.create_task(served.read_log())
        yield served
    finally:
        if process.returncode is None:
            process.send_signal(SIGKILL)
            await process.wait()
