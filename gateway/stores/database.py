"""The connection to SQLite or PostgreSQL: opening it, migrating it, and translating its failures.

SQLite runs in WAL mode with `synchronous=NORMAL`: a commit survives the process and, once the log
is synced (see `Database.harden`), the machine. Several processes may share the file.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from typing import TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, DataError, IntegrityError, SQLAlchemyError

from gateway.errors import ConfigError, Conflict, GatewayError, InvalidRequest, StoreUnavailable
from gateway.stores.schema import REVISION, alembic_version, metadata, speak

T = TypeVar("T")

_DRIVERS = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
_POSTGRES_ARGS = {"connect_timeout": 5, "keepalives_idle": 10, "tcp_user_timeout": 15_000}
_MIGRATION_LOCKS = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(7414938207)"}
_SNAPSHOTS = {
    "sqlite": "BEGIN",
    "postgresql": "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
}
_PRAGMAS = ("busy_timeout=10000", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON")

_MEANINGS: tuple[tuple[type[Exception], type[GatewayError], str], ...] = (
    (UnicodeError, InvalidRequest, "a text cannot be written in UTF-8"),
    (OverflowError, InvalidRequest, "a number is too large"),
    (IntegrityError, Conflict, "a record of that name exists already, or one it refers to does not"),
    (DataError, InvalidRequest, "a value does not fit its column"),
    (SQLAlchemyError, StoreUnavailable, "the ledger's database does not answer, try again later"),
)


class Database:
    """An engine with the project's own rules; its methods raise GatewayErrors only."""

    def __init__(self, url: str) -> None:
        parsed = _parse(url)
        self.sqlite_path = Path(parsed.database or "").absolute() if parsed.drivername == "sqlite" else None
        self.engine = _sqlite(parsed) if self.sqlite_path else _postgres(parsed)
        speak(self.engine.dialect.name)

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` makes of a connection, in a thread of its own."""
        return await asyncio.to_thread(self.run_here, work)

    def run_here(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` makes of a connection, in this thread; its changes are committed, or none is."""
        try:
            with self.engine.begin() as connection:
                return work(connection)
        except tuple(kind for kind, _, _ in _MEANINGS) as error:
            failure = translate(error)
        raise failure  # out here, so that no trace of the driver's error, or of its values, hangs on it

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` makes of the database as it stood at one moment, in a thread of its own."""

        def at_once(connection: Connection) -> T:
            connection.exec_driver_sql(_SNAPSHOTS[connection.dialect.name])
            return work(connection)

        return await self.run(at_once)

    def reach(self) -> None:
        """Raise StoreUnavailable unless the database can be opened; a file that is not there may be made."""
        if self.sqlite_path is None or self.sqlite_path.exists():
            self.run_here(_revision)
        elif not os.access(next(p for p in self.sqlite_path.parents if p.exists()), os.W_OK):
            raise StoreUnavailable("the ledger's file cannot be made there; choose another folder")

    def migrate(self) -> None:
        """Bring the tables to this version's revision, one process at a time; raise ConfigError."""
        if self.sqlite_path:
            _make_file(self.sqlite_path)
        if self.run_here(_revision) != REVISION:
            self.run_here(_migrate)

    def harden(self) -> None:
        """Make what is committed survive a power cut too (PostgreSQL's commits do already)."""
        if self.sqlite_path is None:
            return
        with suppress(FileNotFoundError):  # no log: all of it is in the database file, and synced
            log = os.open(f"{self.sqlite_path}-wal", os.O_RDONLY)
            try:
                os.fsync(log)
            finally:
                os.close(log)

    def close(self) -> None:
        """Close every idle connection."""
        self.engine.dispose()


def _migrate(connection: Connection) -> None:
    connection.exec_driver_sql(_MIGRATION_LOCKS[connection.dialect.name])
    found = _revision(connection)
    if found is None:
        create_tables(connection)
    elif found != REVISION:
        upgrade(connection)


def create_tables(connection: Connection) -> None:
    """Make all tables at once, as the migrations would one after another."""
    metadata.create_all(connection, checkfirst=False)
    connection.execute(insert(alembic_version).values(version_num=REVISION))


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing; raise ConfigError for a revision from the future."""
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise ConfigError(
            "the database was migrated by a newer version of the gateway; run that version"
        ) from error


def translate(error: Exception) -> GatewayError:
    """Return what a database failure means to the gateway; never carries a statement or its values."""
    kind, message = next((kind, message) for cause, kind, message in _MEANINGS if isinstance(error, cause))
    driver = getattr(error, "orig", None)
    code = getattr(driver, "sqlstate", None) or getattr(driver, "sqlite_errorname", None) or ""
    return kind(message, detail=f"{type(error).__name__} {code}".rstrip())


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(alembic_version.name):
        return None
    return connection.scalar(select(alembic_version.c.version_num))


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    driver = _DRIVERS.get(parsed.drivername) if parsed else None
    if parsed is None or driver is None:
        raise ConfigError("the database url is not understood; use sqlite:///<file> or postgresql://<...>")
    if driver == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise ConfigError("an SQLite ledger needs a file; use sqlite:///<file>")
    return parsed.set(drivername=driver)


def _sqlite(url: URL) -> Engine:
    # IMMEDIATE takes the write lock when a transaction begins to write, so it never fails half-way.
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=4,
        max_overflow=4,
        pool_timeout=10,
        connect_args={"isolation_level": "IMMEDIATE"},
    )
    event.listen(engine, "connect", _set_pragmas)
    return engine


def _postgres(url: URL) -> Engine:
    return create_engine(
        url,
        hide_parameters=True,
        pool_size=4,
        max_overflow=4,
        pool_timeout=10,
        pool_pre_ping=True,
        paramstyle="format",
        connect_args=_POSTGRES_ARGS,
    )


def _set_pragmas(connection: SqliteConnection, _record: object) -> None:
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _make_file(path: Path) -> None:
    """Make the database file, where there is none, for the owner's eyes only."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreUnavailable("the ledger's file cannot be opened", detail=str(error)) from error
