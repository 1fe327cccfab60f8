"""Admission state of one process: budget counters, seeded from the books, with reservations on top."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from gateway.errors import BudgetExceeded
from gateway.stores.base import BudgetWindow
from policies.facts import BudgetView
from policies.pricing import usd

Seed = Callable[[str, int], Awaitable[int]]
"""Returns what a scope has spent since an instant (ms), from the books."""


@dataclass(slots=True)
class _Counter:
    spent_nano: int
    reserved_nano: int = 0


@dataclass(slots=True)
class _Hold:
    counters: list[_Counter] = field(default_factory=list)
    amount_nano: int = 0


class MemoryState:
    """Budgets of one process; every promise and settlement is one step without an await in between."""

    def __init__(self, seed: Seed) -> None:
        self._seed = seed
        self._counters: dict[tuple[str, int], _Counter] = {}
        self._holds: dict[str, _Hold] = {}
        self._seeding = asyncio.Lock()

    @property
    def open_holds(self) -> int:
        """Return how many reservations are open."""
        return len(self._holds)

    def views(self, budgets: Sequence[BudgetWindow]) -> tuple[BudgetView, ...]:
        """Return the budgets as they stand; a window nobody has spent from yet reads as seeded later."""
        return tuple(_view(b, self._counters.get((b.scope, b.since_ms)) or _Counter(0)) for b in budgets)

    async def reserve(self, hold_id: str, budgets: Sequence[BudgetWindow], amount_nano: int) -> None:
        """Make the hold promise `amount_nano` in all, against every budget or none; raise BudgetExceeded.

        Called again for an open hold, it changes the amount; a refusal leaves the hold as it was.
        """
        counters = [await self._counter(budget) for budget in budgets]
        hold = self._holds.setdefault(hold_id, _Hold())
        more = amount_nano - hold.amount_nano
        for budget, counter in zip(budgets, counters, strict=True):
            if budget.hard and counter.spent_nano + counter.reserved_nano + more > budget.limit_nano:
                self._drop_if_empty(hold_id, hold)
                raise _exceeded(budget, counter, amount_nano)
        for counter in counters:
            counter.reserved_nano += more
        hold.counters, hold.amount_nano = counters, amount_nano

    async def settle(self, hold_id: str, spent_nano: int) -> None:
        """Turn the hold into `spent_nano` of spending; settling twice changes nothing."""
        hold = self._holds.pop(hold_id, None)
        for counter in hold.counters if hold else ():
            counter.reserved_nano -= hold.amount_nano if hold else 0
            counter.spent_nano += spent_nano

    def _drop_if_empty(self, hold_id: str, hold: _Hold) -> None:
        if not hold.counters:
            del self._holds[hold_id]

    async def _counter(self, budget: BudgetWindow) -> _Counter:
        place = (budget.scope, budget.since_ms)
        counter = self._counters.get(place)
        if counter is None:
            async with self._seeding:
                counter = self._counters.get(place)
                if counter is None:
                    counter = _Counter(await self._seed(budget.scope, budget.since_ms))
                    self._forget_older(budget)
                    self._counters[place] = counter
        return counter

    def _forget_older(self, budget: BudgetWindow) -> None:
        """Drop windows of the scope that have ended and hold no reservation."""
        for place in [p for p in self._counters if p[0] == budget.scope and p[1] < budget.since_ms]:
            if self._counters[place].reserved_nano == 0 and place[1] < budget.oldest_live_ms:
                del self._counters[place]


def _view(budget: BudgetWindow, counter: _Counter) -> BudgetView:
    return BudgetView(
        scope=budget.scope,
        limit_nano=budget.limit_nano,
        spent_nano=counter.spent_nano,
        reserved_nano=counter.reserved_nano,
        hard=budget.hard,
    )


def _exceeded(budget: BudgetWindow, counter: _Counter, amount_nano: int) -> BudgetExceeded:
    left = budget.limit_nano - counter.spent_nano - counter.reserved_nano
    owner = budget.scope.partition(":")[0]
    return BudgetExceeded(
        f"the {owner}'s budget of ${usd(budget.limit_nano):f} per {budget.period} "
        f"has ${usd(max(0, left)):f} left, "
        f"and this request may cost up to ${usd(amount_nano):f}; "
        f"lower max_tokens or wait for the next period"
    )
