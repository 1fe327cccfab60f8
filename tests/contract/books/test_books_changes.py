"""Changes to teams and keys, on every database: by whom, at which version, with which secret."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.clock import FixedClock
from gateway.credentials import fingerprint, hash_key, mint
from gateway.errors import Conflict, GatewayError, InvalidRequest, NotFound, PreconditionFailed
from gateway.stores.base import BudgetSpec, KeyChange, KeyRow, KeySpec, Page, TeamChange, TeamSpec
from gateway.stores.sql_books import SqlBooks

PEPPER = b"pepper"
WEEK_S = 604_800
MakeUrl = Callable[[], str]


@pytest.fixture
def clock() -> FixedClock:
    """Give a clock to move."""
    return FixedClock()


@pytest.fixture
async def books(make_url: MakeUrl, tmp_path: Path, clock: FixedClock) -> AsyncIterator[SqlBooks]:
    """Give started books with team core."""
    opened = SqlBooks(make_url(), spool_dir=tmp_path / "spool", clock=clock)
    await opened.start()
    await opened.directory.create_team(TeamSpec(name="core"), actor="cli")
    yield opened
    await opened.close()


async def add_key(books: SqlBooks, secret: str = "", **spec: object) -> KeyRow:
    """Add a key to team core."""
    asked = KeySpec(**{"name": "ci"} | spec)  # type: ignore[arg-type]
    return await books.directory.create_key("core", asked, fingerprint(secret or mint(), PEPPER), actor="cli")


async def valid(books: SqlBooks, clock: FixedClock, *secrets: str) -> list[bool]:
    """Say of each secret whether it is granted now."""
    now_ms = int(clock.now() * 1000)
    return [await books.find_grant(hash_key(s, PEPPER), now_ms) is not None for s in secrets]


async def acts(books: SqlBooks) -> list[str]:
    """Return the names of all acts; the clock stands still, so they have no order."""
    return sorted(row.act for row in await books.directory.list_audit())


async def test_change_of_a_team(books: SqlBooks) -> None:
    """What is named changes, the rest stays, and the audit shows old and new; the same again is no act."""
    directory, change = books.directory, TeamChange(time_zone="Asia/Tokyo", baseline="requested")
    changed = await directory.update_team("core", change, actor="ann")
    again = await directory.update_team("core", change, actor="bob")
    assert (changed.name, changed.time_zone, changed.baseline, changed.version) == (
        "core", "Asia/Tokyo", "requested", 2
    )  # fmt: skip
    assert again == changed == await directory.find_team("core")
    (act,) = [row for row in await directory.list_audit() if row.act == "team.update"]
    assert (act.actor, act.object_id) == ("ann", changed.id)
    assert json.loads(act.detail) == {
        "baseline": ["all-premium", "requested"],
        "time_zone": ["UTC", "Asia/Tokyo"],
    }


@pytest.mark.parametrize(
    "change", [TeamChange(time_zone="Mars"), TeamChange(name=""), TeamChange(name="a\n")]
)
async def test_bad_change_of_a_team(books: SqlBooks, change: TeamChange) -> None:
    """A bad value changes nothing."""
    before = await books.directory.find_team("core")
    with pytest.raises(InvalidRequest):
        await books.directory.update_team("core", change, actor="cli")
    assert await books.directory.find_team("core") == before


async def test_two_admins_at_once(books: SqlBooks) -> None:
    """Of changes to one version, one is made and the others are refused."""
    directory = books.directory
    changes = [TeamChange(time_zone=zone) for zone in ("Asia/Tokyo", "Asia/Kolkata", "Europe/Rome") * 3]
    done = await asyncio.gather(
        *(directory.update_team("core", c, actor="cli", expected=frozenset({1})) for c in changes),
        return_exceptions=True,
    )
    assert sum(isinstance(result, PreconditionFailed) for result in done) == len(changes) - 1
    assert (await directory.find_team("core")).version == 2
    assert await acts(books) == ["team.create", "team.update"]


async def test_stale_version_ends_nothing(books: SqlBooks) -> None:
    """A team or key that changed meanwhile is neither deleted nor revoked nor changed."""
    directory, stale = books.directory, frozenset({7})
    key = await add_key(books)
    with pytest.raises(PreconditionFailed, match="is at version 1"):
        await directory.delete_team("core", actor="cli", expected=stale)
    with pytest.raises(PreconditionFailed):
        await directory.revoke_key(key.id, actor="cli", expected=stale)
    with pytest.raises(PreconditionFailed):
        await directory.update_key(key.id, KeyChange(name="x"), actor="cli", expected=stale)
    assert await directory.list_keys("core") == [key]


async def test_keys_made_while_their_team_goes(books: SqlBooks) -> None:
    """No key outlives its team, whichever comes first."""
    directory = books.directory
    made = [add_key(books, name=f"k{i}") for i in range(6)]
    gone = directory.delete_team("core", actor="cli")
    done = await asyncio.gather(*made[:3], gone, *made[3:], return_exceptions=True)
    assert all(isinstance(r, NotFound) for r in done if isinstance(r, GatewayError))
    assert await directory.list_keys() == []


async def test_change_of_a_key(books: SqlBooks, clock: FixedClock) -> None:
    """A key takes other rights, and null lifts what restricted it."""
    directory, secret = books.directory, mint()
    later = int(clock.now() * 1000) + 60_000
    key = await add_key(books, secret, allowed_models=("glm-4.5",))
    change = KeyChange(name="build", scopes=["reports"], allowed_models=None, expires_ms=later)
    changed = await directory.update_key(key.id, change, actor="cli")
    grant = await books.find_grant(hash_key(secret, PEPPER), 0)
    assert grant
    assert grant.key == changed == await directory.find_key(key.id)
    assert (changed.name, changed.scopes, changed.allowed_models, changed.expires_ms, changed.version) == (
        "build", ("reports",), None, later, 2
    )  # fmt: skip
    clock.advance(61)
    assert await valid(books, clock, secret) == [False]
    renamed = await directory.update_key(key.id, KeyChange(name="late"), actor="cli")
    await directory.update_key(key.id, KeyChange(expires_ms=None), actor="cli")
    assert renamed.expires_ms == later
    assert await valid(books, clock, secret) == [True]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (KeyChange(name=" x"), InvalidRequest),
        (KeyChange(scopes=[]), InvalidRequest),
        (KeyChange(allowed_models=[""]), InvalidRequest),
        (KeyChange(expires_ms=5), InvalidRequest),
        (KeyChange(name="taken"), Conflict),
    ],
)
async def test_bad_change_of_a_key(books: SqlBooks, change: KeyChange, error: type[GatewayError]) -> None:
    """A key takes no value a new one could not have."""
    key, _ = await add_key(books), await add_key(books, name="taken")
    with pytest.raises(error):
        await books.directory.update_key(key.id, change, actor="cli")
    assert await books.directory.find_key(key.id) == key


async def test_blocking(books: SqlBooks, clock: FixedClock) -> None:
    """A blocked key is refused until it is unblocked; blocking twice is one act."""
    directory, secret = books.directory, mint()
    key = await add_key(books, secret)
    blocked = [await directory.update_key(key.id, KeyChange(blocked=True), actor="cli") for _ in range(2)]
    assert blocked[0] == blocked[1]
    assert await valid(books, clock, secret) == [False]
    await directory.update_key(key.id, KeyChange(blocked=False), actor="cli")
    assert await valid(books, clock, secret) == [True]
    assert await acts(books) == ["key.block", "key.create", "key.unblock", "team.create"]


async def test_rotation_with_overlap(books: SqlBooks, clock: FixedClock) -> None:
    """The old secret is valid to the end of the overlap and not a moment longer."""
    old, new = mint(), mint()
    key = await add_key(books, old)
    rotated = await books.directory.rotate_key(key.id, fingerprint(new, PEPPER), overlap_s=60, actor="cli")
    assert (rotated.last4, rotated.version) == (new[-4:], 2)
    clock.advance(59.999)
    assert await valid(books, clock, old, new) == [True, True]
    now_ms = int(clock.now() * 1000)
    grants = [await books.find_grant(hash_key(secret, PEPPER), now_ms) for secret in (old, new)]
    assert [grant and grant.until_ms for grant in grants] == [now_ms + 1, None]
    clock.advance(0.001)
    assert await valid(books, clock, old, new) == [False, True]


async def test_rotations_in_a_row(books: SqlBooks, clock: FixedClock) -> None:
    """No earlier secret outlives the newest overlap; an overlap of nothing ends them all at once."""
    secrets = [mint() for _ in range(4)]
    key = await add_key(books, secrets[0])
    rotate = books.directory.rotate_key
    await rotate(key.id, fingerprint(secrets[1], PEPPER), overlap_s=WEEK_S, actor="cli")
    await rotate(key.id, fingerprint(secrets[2], PEPPER), overlap_s=60, actor="cli")
    assert await valid(books, clock, *secrets) == [True, True, True, False]
    clock.advance(60)
    assert await valid(books, clock, *secrets) == [False, False, True, False]
    await rotate(key.id, fingerprint(secrets[3], PEPPER), actor="cli")
    assert await valid(books, clock, *secrets) == [False, False, False, True]


async def test_revoking_ends_former_secrets(books: SqlBooks, clock: FixedClock) -> None:
    """A revoked key has no secret left and takes none."""
    old, new = mint(), mint()
    key = await add_key(books, old)
    await books.directory.rotate_key(key.id, fingerprint(new, PEPPER), overlap_s=60, actor="cli")
    await books.directory.revoke_key(key.id, actor="cli")
    assert await valid(books, clock, old, new) == [False, False]
    with pytest.raises(Conflict, match="revoked for good"):
        await books.directory.rotate_key(key.id, fingerprint(mint(), PEPPER), actor="cli")
    with pytest.raises(Conflict, match="revoked for good"):
        await books.directory.update_key(key.id, KeyChange(blocked=False), actor="cli")


@pytest.mark.parametrize("overlap_s", [-1, WEEK_S + 1, 2**70])
async def test_bad_overlap(books: SqlBooks, overlap_s: int) -> None:
    """An overlap lasts seven days at most."""
    key = await add_key(books)
    with pytest.raises(InvalidRequest) as caught:
        await books.directory.rotate_key(
            key.id, fingerprint(mint(), PEPPER), overlap_s=overlap_s, actor="cli"
        )
    assert caught.value.param == "overlap_seconds"


async def test_budgets_end_with_their_owner(books: SqlBooks) -> None:
    """Budgets are listed with the zone of who pays, and go when the key or the team goes."""
    directory, limit = books.directory, BudgetSpec(limit_nano=5)
    team = await directory.update_team("core", TeamChange(time_zone="Asia/Tokyo"), actor="cli")
    first, second = await add_key(books, budgets=(limit,)), await add_key(books, name="b", budgets=(limit,))
    await directory.set_budget(f"team:{team.id}", limit, actor="cli")
    owned = await directory.list_budgets()
    assert {o.budget.scope for o in owned} == {f"key:{first.id}", f"key:{second.id}", f"team:{team.id}"}
    assert {o.time_zone for o in owned} == {"Asia/Tokyo"}
    await directory.revoke_key(first.id, actor="cli")
    assert len(await directory.list_budgets()) == 2
    await directory.delete_team("core", actor="cli")
    assert await directory.list_budgets() == []
    with pytest.raises(NotFound, match="has no budget"):
        await directory.find_budget(f"team:{team.id}", "1mo")


async def test_pages(books: SqlBooks, clock: FixedClock) -> None:
    """Pages follow each other without gap or repetition, also past a record that is gone."""
    directory = books.directory
    keys = []
    for number in range(5):
        clock.advance(1)
        keys.append(await add_key(books, name=f"k{number}"))
    await directory.revoke_key(keys[1].id, actor="cli")
    first = await directory.list_keys(page=Page(limit=2))
    rest = await directory.list_keys("core", Page(limit=9, after=first[-1].id))
    past_gone = await directory.list_keys(page=Page(limit=1, after=keys[1].id))
    assert [*first, *rest] == [keys[0], *keys[2:]]
    assert past_gone == [keys[2]]
    assert len(await directory.list_teams(Page(limit=1, after=(await directory.find_team("core")).id))) == 0
    newest = await directory.list_audit(Page(limit=3))
    older = await directory.list_audit(Page(limit=100, after=newest[-1].id))
    assert [*newest, *older] == await directory.list_audit()
    assert older[-1].act == "team.create"
