"""When a budget's period began, in the time zone of who pays. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from gateway.stores.base import BudgetRow, BudgetWindow, Period

_LONGEST_MS = 32 * 86_400_000


def window(budget: BudgetRow, time_zone: str, now: float) -> BudgetWindow:
    """Return the period of `budget` that holds the instant `now` (Unix seconds)."""
    since_ms = period_start_ms(budget.period, time_zone, int(now) // 60)
    return BudgetWindow(
        scope=budget.scope,
        limit_nano=budget.limit_nano,
        period=budget.period,
        hard=budget.hard,
        since_ms=since_ms,
        oldest_live_ms=since_ms - _LONGEST_MS,
    )


@lru_cache(maxsize=4096)
def period_start_ms(period: Period, time_zone: str, minute: int) -> int:
    """Return the Unix ms at which the period holding Unix minute `minute` began: midnight, Monday or the 1st.

    Zones change their offset on whole minutes, so a minute has one answer.
    """
    zone = ZoneInfo(time_zone)
    midnight = datetime.fromtimestamp(minute * 60, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "1w":
        midnight -= timedelta(days=midnight.weekday())
    elif period == "1mo":
        midnight = midnight.replace(day=1)
    return int(midnight.astimezone(UTC).timestamp() * 1000)
