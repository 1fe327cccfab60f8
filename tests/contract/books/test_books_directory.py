"""Teams, keys and budgets, on every database; no hash gets out."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.credentials import fingerprint, hash_key, mint
from gateway.errors import Conflict, GatewayError, InvalidRequest, NotFound
from gateway.stores.base import (
    BudgetSpec,
    KeySpec,
    TeamSpec,
)
from gateway.stores.sql_books import SqlBooks

PEPPER = b"pepper"
MakeUrl = Callable[[], str]


async def test_team_life(books: SqlBooks) -> None:
    """A team's name is its own while it lives and free again afterwards; each act leaves one audit row."""
    directory = books.directory
    team = await directory.create_team(TeamSpec(name="core", time_zone="Asia/Kolkata"), actor="cli")
    with pytest.raises(Conflict, match="`core` exists already"):
        await directory.create_team(TeamSpec(name="core"), actor="cli")
    assert await directory.find_team("core") == await directory.find_team(team.id) == team
    await directory.delete_team("core", actor="ann")
    with pytest.raises(NotFound, match="no team is called `core`"):
        await directory.find_team("core")
    assert (await directory.create_team(TeamSpec(name="core"), actor="cli")).id != team.id
    acts = [(row.act, row.actor) for row in await directory.list_audit()]
    assert sorted(acts) == [("team.create", "cli"), ("team.create", "cli"), ("team.delete", "ann")]


async def test_team_settings(books: SqlBooks) -> None:
    """A team's settings change as a whole, and its name only to one that is free."""
    directory = books.directory
    team = await directory.create_team(TeamSpec(name="core"), actor="cli")
    await directory.create_team(TeamSpec(name="web"), actor="cli")
    spec = TeamSpec(name="kernel", rewrite="rewrite-all", honours_route_wish=False, time_zone="Asia/Tokyo")
    updated = await directory.update_team("core", spec, actor="cli")
    assert (updated.id, updated.name, updated.rewrite) == (team.id, "kernel", "rewrite-all")
    assert await directory.find_team("kernel") == updated
    with pytest.raises(Conflict, match="`web` exists already"):
        await directory.update_team("kernel", TeamSpec(name="web"), actor="cli")
    with pytest.raises(NotFound):
        await directory.update_team("core", spec, actor="cli")


async def test_key_life(books: SqlBooks) -> None:
    """A key is granted until it expires or is revoked, and revoking twice is one act."""
    directory, secret = books.directory, mint()
    team = await directory.create_team(TeamSpec(name="core"), actor="cli")
    spec = KeySpec(name="ci", allowed_models=("auto",), expires_ms=2_000_000_000_000)
    key = await directory.create_key("core", spec, fingerprint(secret, PEPPER), actor="cli")
    key_hash = hash_key(secret, PEPPER)
    grant = await books.find_grant(key_hash, 1_999_999_999_999)
    assert grant
    assert (grant.key, grant.team, grant.budgets) == (key, team, ())
    assert await books.find_grant(key_hash, 2_000_000_000_000) is None
    assert await books.find_grant(hash_key("other", PEPPER), 0) is None
    ended = await directory.revoke_key(key.id, actor="cli")
    assert await directory.revoke_key(key.id, actor="cli") == ended
    assert await books.find_grant(key_hash, 0) is None
    assert [row.act for row in await directory.list_audit()].count("key.revoke") == 1


async def test_deleted_team_ends_keys(books: SqlBooks) -> None:
    """Deleting a team ends its keys at once."""
    directory, secret = books.directory, mint()
    await directory.create_team(TeamSpec(name="core"), actor="cli")
    await directory.create_key("core", KeySpec(name="ci"), fingerprint(secret, PEPPER), actor="cli")
    await directory.delete_team("core", actor="cli")
    assert await books.find_grant(hash_key(secret, PEPPER), 0) is None
    assert await directory.list_keys() == []


async def test_key_names(books: SqlBooks) -> None:
    """A live key's name is unique in its team only, and an unknown team is said so."""
    directory = books.directory
    for name in ("a", "b"):
        await directory.create_team(TeamSpec(name=name), actor="cli")
        await directory.create_key(name, KeySpec(name="ci"), fingerprint(mint(), PEPPER), actor="cli")
    with pytest.raises(Conflict, match="has a key named `ci`"):
        await directory.create_key("a", KeySpec(name="ci"), fingerprint(mint(), PEPPER), actor="cli")
    with pytest.raises(NotFound, match="no team is called `c`"):
        await directory.create_key("c", KeySpec(name="ci"), fingerprint(mint(), PEPPER), actor="cli")
    assert len(await directory.list_keys()) == 2
    assert len(await directory.list_keys("b")) == 1


async def test_budgets(books: SqlBooks) -> None:
    """A grant carries the budgets of the key and of the team; setting one again replaces it."""
    directory, secret = books.directory, mint()
    team = await directory.create_team(TeamSpec(name="core"), actor="cli")
    spec = KeySpec(name="ci", budgets=(BudgetSpec(limit_nano=5, period="1d"),))
    key = await directory.create_key("core", spec, fingerprint(secret, PEPPER), actor="cli")
    first = await directory.set_budget(f"team:{team.id}", BudgetSpec(limit_nano=6), actor="cli")
    again = await directory.set_budget(f"team:{team.id}", BudgetSpec(limit_nano=7, hard=False), actor="cli")
    grant = await books.find_grant(hash_key(secret, PEPPER), 0)
    assert grant
    assert [(b.scope, b.limit_nano, b.hard) for b in grant.budgets] == [
        (f"key:{key.id}", 5, True),
        (f"team:{team.id}", 7, False),
    ]
    assert again.id == first.id
    await directory.set_budget(f"team:{team.id}", BudgetSpec(limit_nano=7, hard=False), actor="cli")
    assert [row.act for row in await directory.list_audit()].count("budget.set") == 2
    assert (await directory.find_budget(f"team:{team.id}", "1mo")).time_zone == "UTC"
    removed = await directory.remove_budget(f"team:{team.id}", "1mo", actor="cli")
    assert removed.id == first.id
    assert await directory.list_budgets(f"team:{team.id}") == []
    assert len(await directory.list_budgets()) == 1


@pytest.mark.parametrize("name", ["\ud800", "a\0b", "'; DROP TABLE teams; --", "x" * 5000, ""])
async def test_hostile_names(books: SqlBooks, name: str) -> None:
    """A name no team can have finds nothing and breaks nothing."""
    with pytest.raises((NotFound, InvalidRequest)):
        await books.directory.find_team(name)
    with pytest.raises((NotFound, InvalidRequest)):
        await books.directory.revoke_key(name, actor="cli")


@pytest.mark.parametrize("scope", ["team:none", "key:none"])
async def test_budget_of_nothing(books: SqlBooks, scope: str) -> None:
    """A budget needs a live owner."""
    with pytest.raises(NotFound):
        await books.directory.set_budget(scope, BudgetSpec(limit_nano=1), actor="cli")


async def test_pepper_is_kept(make_url: MakeUrl, tmp_path: Path) -> None:
    """The pepper is made once per database."""
    url, found = make_url(), set()
    for _ in range(2):
        opened = SqlBooks(url, spool_dir=tmp_path)
        await opened.start()
        found.add(await opened.directory.pepper())
        await opened.close()
    assert len(found) == 1
    assert len(found.pop()) == 32


async def test_hash_stays_inside(books: SqlBooks, caplog: pytest.LogCaptureFixture) -> None:
    """No repr, error chain or log shows a key's hash, not even when the database complains about it."""
    directory, secret = books.directory, mint()
    await directory.create_team(TeamSpec(name="core"), actor="cli")
    mark = fingerprint(secret, PEPPER)
    key = await directory.create_key("core", KeySpec(name="a"), mark, actor="cli")
    with pytest.raises(Conflict) as caught:
        await directory.create_key("core", KeySpec(name="b"), mark, actor="cli")
    grant = await books.find_grant(mark.key_hash, 0)
    shown = [mark, key, grant, await directory.list_audit(), caplog.text, caught.value.detail]
    shown += traceback.format_exception(caught.value, chain=True)
    assert mark.key_hash not in repr(shown)
    assert secret not in repr(shown)


async def test_outage_hides_hash(books: SqlBooks) -> None:
    """A query that fails says nothing of its values."""
    with books._database.engine.begin() as connection:
        connection.execute(text("ALTER TABLE keys RENAME TO lost"))
    key_hash = hash_key(mint(), PEPPER)
    with pytest.raises(GatewayError) as caught:
        await books.find_grant(key_hash, 0)
    chain = "".join(traceback.format_exception(caught.value, chain=True))
    assert key_hash not in chain + caught.value.detail
    assert caught.value.__context__ is None
