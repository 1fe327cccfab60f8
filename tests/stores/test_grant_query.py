"""The look-up of a key: exactly the budgets that bind it, found by index however many there are."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import insert

from gateway.stores.database import Database
from gateway.stores.directory_rows import _grant_query, read_grant, read_grant_of
from gateway.stores.schema import budgets, keys, teams

BINDING = ("key:k_1", "key:k_1/model:m", "model:m", "tag:a=b", "team:t_1", "team:t_1/tag:a=b")
OTHERS = ("key:kx1/model:m", "key:k_10", "key:k_1a/model:m", "key:K_1/model:m", "team:t_10/tag:a", "team:t")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """Give a database with one key, and budgets of its own and of many others."""
    database = Database(f"sqlite:///{tmp_path}/keys.db")
    database.migrate()
    team = {"name": "t", "rewrite": "auto-only", "honours_route_wish": True, "baseline": "all-premium"}
    key = {"name": "k", "last4": "1234", "scopes": '["inference"]', "key_hash": "h"}
    limit = {"limit_nano": 1, "period": "1d", "hard": True}
    with database.engine.begin() as connection:
        connection.execute(insert(teams).values(id="t_1", created_ms=1, time_zone="UTC", **team))
        connection.execute(insert(keys).values(id="k_1", team_id="t_1", created_ms=1, **key))
        scopes = [{"id": scope, "scope": scope, **limit} for scope in (*BINDING, *OTHERS)]
        connection.execute(insert(budgets), scopes)
    return database


def test_binding_budgets(database: Database) -> None:
    """A key is bound by its own, its team's and nobody's budgets, and by none of a like name."""
    with database.engine.begin() as connection:
        for grant in (read_grant(connection, "h", 5), read_grant_of(connection, "k_1", 5)):
            assert grant is not None
            assert tuple(budget.scope for budget in grant.budgets) == BINDING


@pytest.mark.parametrize("by", ["hash", "id"])
def test_found_by_index(database: Database, by: str) -> None:
    """No table is read from end to end to look a key up."""
    query = _grant_query(by, "sqlite")  # type: ignore[arg-type]
    statement = str(query.compile(database.engine, compile_kwargs={"render_postcompile": True}))
    with database.engine.begin() as connection:
        blanks = ("",) * statement.count("?")
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", blanks).all()
    steps = [str(row[-1]) for row in plan]
    assert any("budgets" in step for step in steps)
    assert not [step for step in steps if step.startswith("SCAN")]
