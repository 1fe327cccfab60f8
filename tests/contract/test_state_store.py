from __future__ import annotations

import asyncio
from collections import defaultdict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.errors import BudgetExceeded
from gateway.stores.base import BudgetWindow, StateStore
from gateway.stores.memory import MemoryState

LIMIT = 100


async def seed(scope: str, since_ms: int) -> int:
    """Return what the books say was spent before."""
    await asyncio.sleep(0)
    return 30 if (scope, since_ms) == ("team:old", 0) else 0


STORES = [pytest.param(lambda: MemoryState(seed=seed), id="memory")]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> StateStore:
    """Give every implementation."""
    made: StateStore = request.param()
    return made


def budget(
    scope: str = "team:a", since_ms: int = 0, *, limit: int = LIMIT, hard: bool = True
) -> BudgetWindow:
    """Return a budget in its running period."""
    return BudgetWindow(
        scope=scope, limit_nano=limit, period="1d", since_ms=since_ms, oldest_live_ms=since_ms, hard=hard
    )


def figures(store: StateStore, window: BudgetWindow) -> tuple[int, int]:
    """Return what is spent and what is reserved."""
    (view,) = store.views([window])
    return view.spent_nano, view.reserved_nano


async def test_reserve_and_settle(store: StateStore) -> None:
    """A promise becomes spending, and what was not needed is given back."""
    await store.reserve("r1", [budget()], 80)
    assert figures(store, budget()) == (0, 80)
    await store.settle("r1", 15)
    assert figures(store, budget()) == (15, 0)


async def test_no_room(store: StateStore) -> None:
    """A promise that does not fit is refused and leaves nothing behind."""
    await store.reserve("r1", [budget()], 60)
    with pytest.raises(BudgetExceeded, match="lower max_tokens"):
        await store.reserve("r2", [budget()], 41)
    assert figures(store, budget()) == (0, 60)
    await store.reserve("r2", [budget()], 40)


async def test_all_budgets_or_none(store: StateStore) -> None:
    """One budget without room keeps the others untouched."""
    small = budget("key:k", limit=10)
    with pytest.raises(BudgetExceeded, match="the key's budget"):
        await store.reserve("r1", [budget(), small], 50)
    assert figures(store, budget()) == (0, 0)


async def test_soft_budget_only_counts(store: StateStore) -> None:
    """A soft budget is counted and never refuses."""
    soft = budget(hard=False)
    await store.reserve("r1", [soft], 500)
    assert figures(store, soft) == (0, 500)


async def test_promise_again(store: StateStore) -> None:
    """A second promise for the same request replaces the first; a refused one leaves it as it was."""
    await store.reserve("r1", [budget()], 30)
    await store.reserve("r1", [budget()], 90)
    with pytest.raises(BudgetExceeded):
        await store.reserve("r1", [budget()], 101)
    assert figures(store, budget()) == (0, 90)


async def test_settle_twice(store: StateStore) -> None:
    """A request is paid for once."""
    await store.reserve("r1", [budget()], 30)
    for _ in range(2):
        await store.settle("r1", 20)
    await store.settle("unknown", 20)
    assert figures(store, budget()) == (20, 0)


async def test_starts_from_the_books(store: StateStore) -> None:
    """What was spent before this process began counts, even when many ask at once for the first time."""
    old = budget("team:old")
    asked = await asyncio.gather(
        *(store.reserve(f"r{n}", [old], 10) for n in range(20)), return_exceptions=True
    )
    assert sum(error is None for error in asked) == 7
    assert figures(store, old) == (30, 70)


async def test_new_period(store: StateStore) -> None:
    """A new period starts at nothing; a request that straddles it is paid from the one it began in."""
    await store.reserve("r1", [budget()], 100)
    tomorrow = budget(since_ms=1)
    await store.reserve("r2", [tomorrow], 100)
    await store.settle("r1", 70)
    assert figures(store, tomorrow) == (0, 100)


async def test_cancelled_while_waiting(store: StateStore) -> None:
    """A request given up while the books are read holds nothing."""
    task = asyncio.create_task(store.reserve("r1", [budget("team:old")], 10))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.settle("r1", 0)
    assert figures(store, budget("team:old"))[1] == 0


class Interleaving(RuleBasedStateMachine):
    """Any order of promises and settlements of five requests on two budgets."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryState(seed=seed)
        self.windows = {scope: budget(scope) for scope in ("team:a", "key:a")}
        self.spent: dict[str, int] = defaultdict(int)
        self.held: dict[str, tuple[str, ...]] = {}

    @rule(
        hold=st.sampled_from("vwxyz"),
        amount=st.integers(0, 60),
        scopes=st.sampled_from([("team:a",), ("team:a", "key:a")]),
    )
    def reserve(self, hold: str, amount: int, scopes: tuple[str, ...]) -> None:
        """Promise, as far as there is room."""
        scopes = self.held.get(hold, scopes)
        try:
            asyncio.run(self.store.reserve(hold, [self.windows[s] for s in scopes], amount))
        except BudgetExceeded:
            return
        self.held[hold] = scopes

    @rule(hold=st.sampled_from("vwxyz"), share=st.floats(0, 1))
    def settle(self, hold: str, share: float) -> None:
        """Pay some share of what was promised."""
        held = self.store._holds.get(hold)
        cost = int((held.amount_nano if held else 0) * share)
        asyncio.run(self.store.settle(hold, cost))
        for scope in self.held.pop(hold, ()):
            self.spent[scope] += cost

    @invariant()
    def within_the_limit(self) -> None:
        """Spending and promises together never exceed the limit, and spending is what was paid."""
        for scope, window in self.windows.items():
            spent, reserved = figures(self.store, window)
            assert spent == self.spent[scope]
            assert reserved >= 0
            assert spent + reserved <= LIMIT

    @invariant()
    def every_hold_is_known(self) -> None:
        """No hold is left over and none is lost."""
        assert self.store.open_holds == len(self.held)


TestInterleaving = Interleaving.TestCase
TestInterleaving.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
