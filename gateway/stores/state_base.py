"""Admission: what is held against which budgets and limits, and the protocol of what keeps count."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple, Protocol

import msgspec

from gateway.errors import BudgetExceeded, DeploymentLimited, RateLimited
from gateway.pace import NO_SCOPES, PaceLimit, Room
from gateway.stores.directory_base import Period
from policies.facts import BudgetView
from policies.pricing import usd

Seed = Callable[[str, int, Sequence[str]], Awaitable[tuple[int, frozenset[str]]]]
"""From the books: what a scope has spent since an instant (ms), and which of the named requests that sum
holds, both as of the same moment."""


class BudgetWindow(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A budget in the period that is running."""

    scope: str
    limit_nano: int
    period: Period
    since_ms: int
    oldest_live_ms: int
    """Windows that began before this can be forgotten."""
    hard: bool = True


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """What one request claims of budgets and limits: at most this much while it runs, exactly this after."""

    id: str
    budgets: tuple[BudgetWindow, ...] = ()
    limits: tuple[PaceLimit, ...] = ()
    amount_nano: int = 0
    by_scope: Mapping[str, int] = NO_SCOPES
    """Amounts of the budgets that see only a part of the request, such as one model's."""
    tokens: int = 0

    def nano(self, scope: str) -> int:
        """Return what is claimed of one budget."""
        return self.by_scope.get(scope, self.amount_nano)


class PaidRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the books say of one closed request."""

    cost_nano: int
    by_model: Mapping[str, int]


Watch = Callable[[BudgetWindow, int, int], None]
"""Is told what was spent of a budget before and after a request was paid for; must not block."""


def ignore_spending(_budget: BudgetWindow, _before_nano: int, _after_nano: int) -> None:
    """Watch nothing."""


class StateStore(Protocol):
    """The counters that admission needs: budgets and limits with what is held of them."""

    @property
    def healthy(self) -> bool:
        """Whether hard budgets can be admitted against: readiness, not liveness."""
        ...

    @property
    def open_holds(self) -> int:
        """Return how many holds of this process are not settled yet."""
        ...

    async def start(self) -> None:
        """Get ready; a store that is away does not keep the gateway from starting."""
        ...

    def views(self, budgets: Sequence[BudgetWindow]) -> tuple[BudgetView, ...]:
        """Return the budgets as this process knows them, without I/O."""
        ...

    async def admit(self, hold: Hold) -> tuple[Room, ...]:
        """Claim all of the hold in one step, or nothing; return what is left of its limits.

        Raise RateLimited or BudgetExceeded. Called again for an open hold, it changes what is claimed: more
        money needs room as before, limits already claimed are adjusted and never refuse, and a refusal
        leaves the hold as it was.
        """
        ...

    async def settle(self, hold: Hold) -> None:
        """Turn what was claimed into what was spent (nothing releases it); closing twice changes nothing."""
        ...

    async def flush(self) -> None:
        """Return once what was settled is counted, or the store is away."""
        ...

    async def close(self) -> None:
        """Let go; what is still to be settled is told first."""
        ...


def view_of(budget: BudgetWindow, spent_nano: int, reserved_nano: int) -> BudgetView:
    """Return a budget as decisions see it."""
    return BudgetView(
        scope=budget.scope,
        limit_nano=budget.limit_nano,
        spent_nano=spent_nano,
        reserved_nano=reserved_nano,
        hard=budget.hard,
    )


def limited(limit: PaceLimit, wait_s: float, rooms: tuple[Room, ...]) -> RateLimited:
    """Return the refusal of a request for which a limit has no room for `wait_s` seconds."""
    what = "calls at a time" if limit.unit == "concurrency" else f"{limit.unit} per minute"
    kind = DeploymentLimited if limit.owner == "deployment" else RateLimited
    return kind(
        f"the {limit.owner}'s limit of {limit.most} {what} is used up; "
        f"try again in {max(0.001, wait_s):.3g} seconds",
        retry_after_s=wait_s,
        rooms=rooms,
    )


def exceeded(budget: BudgetWindow, left_nano: int, amount_nano: int) -> BudgetExceeded:
    """Return the refusal of a request whose worst case a budget has no room for."""
    return BudgetExceeded(
        f"the {split_scope(budget.scope).kind}'s budget of ${usd(budget.limit_nano):f} per {budget.period} "
        f"has ${usd(max(0, left_nano)):f} left, "
        f"and this request may cost up to ${usd(amount_nano):f}; "
        f"lower max_tokens or wait for the next period",
        resets_at_s=_period_end_s(budget),
    )


def _period_end_s(budget: BudgetWindow) -> float:
    """Return when the next period begins, within the hour by which a zone may change its offset."""
    began = datetime.fromtimestamp(budget.since_ms / 1000, UTC)
    first = began + timedelta(hours=18)  # no zone is further from UTC, so this day is in the zone's month
    days = {"1d": 1, "1w": 7, "1mo": monthrange(first.year, first.month)[1]}[budget.period]
    return (began + timedelta(days=days)).timestamp()


class Scope(NamedTuple):
    """What a budget counts: `[team:<id>/ or key:<id>/] kind:value`."""

    owner: str
    """`team:<id>` or `key:<id>`; empty for what is counted across all teams."""
    kind: str
    """team, key, model or tag."""
    value: str
    """Id, model name, or a tag's `name=value`."""


@lru_cache(maxsize=4096)
def split_scope(scope: str) -> Scope:
    """Return the parts of a scope; a whole team's or key's own budget is owned by it."""
    owner, slash, rest = scope.partition("/")
    if not owner.startswith(_OWNERS):
        owner, slash, rest = "", "", scope
    kind, _, value = (rest if slash or not owner else owner).partition(":")
    return Scope(owner, kind, value)


_OWNERS = ("team:", "key:")
NOBODYS_ZONE = "UTC"
"""Where the days of budgets begin that count across all teams."""
