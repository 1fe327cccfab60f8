"""The tables and their migrations, on every database."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

import gateway.stores.migrations
from gateway.errors import ConfigError, GatewayError
from gateway.stores import schema
from gateway.stores.database import Database, create_tables, upgrade
from gateway.stores.ledger_sql import decision_query
from gateway.stores.sql_books import SqlBooks

MakeUrl = Callable[[], str]
OLD_ROWS = (
    """INSERT INTO teams (id, name, created_ms, rewrite, honours_route_wish, baseline, time_zone)
    VALUES ('team_1', 'core', 1, 'auto-only', true, 'all-premium', 'UTC')""",
    """INSERT INTO keys (id, name, team_id, last4, created_ms, scopes, key_hash)
    VALUES ('key_1', 'ci', 'team_1', 'abcd', 1, '["inference"]', 'hash_1')""",
)
"""What the first revision held, as it was written."""


def test_migrations_equal_tables(make_url: MakeUrl) -> None:
    """Making all tables at once gives what the migrations give."""
    made, migrated = Database(make_url()), Database(make_url())
    made.run_here(create_tables)
    migrated.run_here(upgrade)
    described = [_describe(database) for database in (made, migrated)]
    assert described[0] == described[1]
    with migrated.engine.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    made.close()
    migrated.close()


def test_head_is_known(make_url: MakeUrl) -> None:
    """The revision the code expects is the newest migration; a database from the future is refused."""
    scripts = ScriptDirectory(str(Path(gateway.stores.migrations.__file__).parent))
    assert scripts.get_current_head() == schema.REVISION
    database = Database(make_url())
    database.migrate()
    with database.engine.begin() as connection:
        connection.execute(schema.alembic_version.update().values(version_num="9999"))
    with pytest.raises(ConfigError, match="newer version"):
        database.migrate()
    database.close()


def test_decisions_found_by_key(tmp_path: Path) -> None:
    """A decision is looked up in the table's own order, by its id and its request's."""
    database = Database(f"sqlite:///{tmp_path}/plans.db")
    database.run_here(create_tables)
    query = decision_query("req_1", "red").compile(database.engine, compile_kwargs={"literal_binds": True})
    plan = database.run_here(lambda c: c.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}").all())
    assert [row[3].partition(" (")[0] for row in plan] == [
        "SEARCH decisions USING INDEX sqlite_autoindex_decisions_1"
    ]
    database.close()


async def test_old_directory_survives(make_url: MakeUrl, tmp_path: Path) -> None:
    """Teams, keys and their secrets of the first revision are there after migrating, at version 1."""
    url = make_url()
    old = Database(url)
    if old.sqlite_path:
        old.sqlite_path.touch()
    with old.engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(Path(gateway.stores.migrations.__file__).parent))
        command.upgrade(config, "0001")
        for statement in OLD_ROWS:
            connection.execute(text(statement))
    old.close()
    books = SqlBooks(url, spool_dir=tmp_path)
    await books.start()
    grant = await books.find_grant("hash_1", 0)
    await books.close()
    assert grant
    assert (grant.team.name, grant.team.version, grant.key.name, grant.key.version) == ("core", 1, "ci", 1)
    assert grant.key.blocked_ms is None


def test_failed_migration_leaves_nothing(make_url: MakeUrl) -> None:
    """A migration that fails half-way is undone as a whole."""
    database = Database(make_url())
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE requests (id INTEGER)"))
    with pytest.raises(GatewayError):
        database.migrate()
    with database.engine.begin() as connection:
        assert inspect(connection).get_table_names() == ["requests"]
    database.close()


def _describe(database: Database) -> str:
    """Describe every table as the database itself sees it."""
    seen = inspect(database.engine)
    tables = {
        name: (
            seen.get_columns(name),
            seen.get_pk_constraint(name),
            sorted(seen.get_indexes(name), key=str),
            sorted(seen.get_unique_constraints(name), key=str),
            sorted(seen.get_foreign_keys(name), key=str),
        )
        for name in seen.get_table_names()
    }
    return json.dumps(tables, default=str, sort_keys=True, indent=1)
