"""Admission state of one process: budgets seeded from the books, limits, and what is held of both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic

import msgspec

from gateway.pace import MINUTE_S, RETRY_BUSY_S, PaceLimit, Room
from gateway.stores.state_base import (
    BudgetWindow,
    Hold,
    Seed,
    Watch,
    exceeded,
    ignore_spending,
    limited,
    view_of,
)
from policies.facts import BudgetView

MAX_METERS = 50_000
"""Limits kept at a time; those that are whole again are forgotten first, which changes nothing."""
_DUST = 1e-6
"""What rounding may leave of a unit: a caller that waits exactly as long as told is let in."""
_COUNTED_ONCE = {"requests": 1, "concurrency": 1}


class _Counter(msgspec.Struct):
    spent_nano: int
    reserved_nano: int = 0


class _Meter(msgspec.Struct):
    """How much of one limit is used: drained over a minute, or given back when a call ends."""

    used: float
    at_s: float

    def drain(self, limit: PaceLimit, now_s: float) -> None:
        """Let time do its work; calls at once end by themselves."""
        if limit.unit != "concurrency":
            self.used = max(0.0, self.used - max(0.0, now_s - self.at_s) * limit.most / MINUTE_S)
        self.at_s = max(self.at_s, now_s)


class MemoryState:
    """Budgets and limits of one process; every claim and settlement is one step without an await in it."""

    healthy = True

    def __init__(
        self, seed: Seed, *, now_s: Callable[[], float] = monotonic, watch: Watch = ignore_spending
    ) -> None:
        self._seed = seed
        self._now_s = now_s
        self._watch = watch
        self._counters: dict[tuple[str, int], _Counter] = {}
        self._meters: dict[tuple[str, str], _Meter] = {}
        self._holds: dict[str, Hold] = {}
        self._seeding = asyncio.Lock()

    @property
    def open_holds(self) -> int:
        """Return how many reservations are open."""
        return len(self._holds)

    async def start(self) -> None:
        """Be ready at once: budgets are read when they are first asked for."""

    def views(self, budgets: Sequence[BudgetWindow]) -> tuple[BudgetView, ...]:
        """Return the budgets as they stand; a window nobody has spent from yet reads as seeded later."""
        known = ((b, self._counters.get((b.scope, b.since_ms)) or _Counter(0)) for b in budgets)
        return tuple(view_of(budget, c.spent_nano, c.reserved_nano) for budget, c in known)

    async def admit(self, hold: Hold) -> tuple[Room, ...]:
        """Claim all of the hold or nothing; raise RateLimited or BudgetExceeded. See `StateStore`."""
        for budget in hold.budgets:
            if (budget.scope, budget.since_ms) not in self._counters:
                await self._open(budget)
        known = self._holds.get(hold.id, _NOTHING)
        rooms = self._meet_limits(hold, known)
        self._meet_budgets(hold, known)
        self._take(hold, known)
        self._holds[hold.id] = hold
        return rooms

    async def settle(self, hold: Hold) -> None:
        """Turn what was claimed into what was spent; settling twice changes nothing."""
        claimed = self._holds.pop(hold.id, None)
        if claimed is None:
            return
        for budget in claimed.budgets:
            counter = self._counters[budget.scope, budget.since_ms]
            before = counter.spent_nano
            counter.reserved_nano -= claimed.nano(budget.scope)
            counter.spent_nano = before + hold.nano(budget.scope)
            self._watch(budget, before, counter.spent_nano)
        for limit in claimed.limits:
            meter = self._meters[limit.scope, limit.unit]
            if limit.unit == "concurrency":
                meter.used -= 1
            elif limit.unit == "tokens":
                meter.used = max(0.0, meter.used - claimed.tokens + hold.tokens)

    async def flush(self) -> None:
        """Return at once: everything is counted when it is told."""

    async def close(self) -> None:
        """Let go of nothing."""

    def _meet_limits(self, hold: Hold, known: Hold) -> tuple[Room, ...]:
        """Return what the limits will leave; raise RateLimited for one without room."""
        if not hold.limits:
            return ()
        now_s = self._now_s()
        rooms: list[Room] = []
        worst: tuple[float, PaceLimit] | None = None
        for limit in hold.limits:
            meter = self._meter(limit, now_s)
            needed = _needed(limit, hold, known)
            wait_s = 0.0 if limit in known.limits else _wait_s(limit, meter, needed)
            if wait_s > 0 and (worst is None or wait_s > worst[0]):
                worst = wait_s, limit
            rooms.append(_room(limit, meter.used if wait_s > 0 else meter.used + needed))
        if worst is not None:
            raise limited(worst[1], worst[0], tuple(rooms))
        return tuple(rooms)

    def _meet_budgets(self, hold: Hold, known: Hold) -> None:
        """Raise BudgetExceeded for a hard budget without room."""
        for budget in hold.budgets:
            counter = self._counters[budget.scope, budget.since_ms]
            left = budget.limit_nano - counter.spent_nano - counter.reserved_nano
            if budget.hard and _more(budget, hold, known) > left:
                raise exceeded(budget, left, hold.nano(budget.scope))

    def _take(self, hold: Hold, known: Hold) -> None:
        for budget in hold.budgets:
            self._counters[budget.scope, budget.since_ms].reserved_nano += _more(budget, hold, known)
        for limit in hold.limits:
            self._meters[limit.scope, limit.unit].used += _needed(limit, hold, known)

    def _meter(self, limit: PaceLimit, now_s: float) -> _Meter:
        place = (limit.scope, limit.unit)
        meter = self._meters.get(place)
        if meter is None:
            if len(self._meters) >= MAX_METERS:
                self._forget_whole(now_s)
            meter = self._meters[place] = _Meter(0.0, now_s)
        meter.drain(limit, now_s)
        return meter

    def _forget_whole(self, now_s: float) -> None:
        """Drop the meters that nobody has drawn on for a minute and nobody holds."""
        held = {(limit.scope, limit.unit) for hold in self._holds.values() for limit in hold.limits}
        for place in [p for p, m in self._meters.items() if now_s - m.at_s > MINUTE_S and p not in held]:
            del self._meters[place]

    async def _open(self, budget: BudgetWindow) -> None:
        place = (budget.scope, budget.since_ms)
        async with self._seeding:
            if place not in self._counters:
                spent_nano, _ = await self._seed(budget.scope, budget.since_ms, ())
                self._forget_older(budget)
                self._counters[place] = _Counter(spent_nano)

    def _forget_older(self, budget: BudgetWindow) -> None:
        """Drop windows of the scope that have ended and hold no reservation."""
        for place in [p for p in self._counters if p[0] == budget.scope and p[1] < budget.since_ms]:
            if self._counters[place].reserved_nano == 0 and place[1] < budget.oldest_live_ms:
                del self._counters[place]


_NOTHING = Hold(id="")


def _more(budget: BudgetWindow, hold: Hold, known: Hold) -> int:
    """Return how much more of a budget is claimed than before."""
    before = known.nano(budget.scope) if any(_same(budget, b) for b in known.budgets) else 0
    return hold.nano(budget.scope) - before


def _same(one: BudgetWindow, other: BudgetWindow) -> bool:
    return one.scope == other.scope and one.since_ms == other.since_ms


def _needed(limit: PaceLimit, hold: Hold, known: Hold) -> int:
    """Return how much more of a limit is claimed than before."""
    is_known = limit in known.limits
    if limit.unit == "tokens":
        return hold.tokens - known.tokens if is_known else hold.tokens
    return 0 if is_known else _COUNTED_ONCE[limit.unit]


def _wait_s(limit: PaceLimit, meter: _Meter, needed: int) -> float:
    """Return the seconds until there is room; a request larger than the limit waits until nothing is used."""
    missing = min(needed, limit.most) - (limit.most - meter.used)
    if missing <= _DUST:
        return 0.0
    return RETRY_BUSY_S if limit.unit == "concurrency" else missing * MINUTE_S / limit.most


def _room(limit: PaceLimit, used: float) -> Room:
    full_in_s = 0.0 if limit.unit == "concurrency" else used * MINUTE_S / limit.most
    return Room(limit=limit, left=max(0, int(limit.most - used + _DUST)), full_in_s=max(0.0, full_in_s))
