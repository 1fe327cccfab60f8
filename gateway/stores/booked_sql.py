"""What vendor models were booked for by day: the side of the ledger that a vendor's invoice speaks of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import Column, CompoundSelect, Connection, Select, func, select, union_all

from gateway.errors import InvalidRequest
from gateway.stores.attempts_sql import IS_SOLE, SOLE, AttemptColumns
from gateway.stores.base import BookedLine
from gateway.stores.business_days import day_of, find_zone
from gateway.stores.reports_sql import local_day
from gateway.stores.rollups_sql import read_pruned
from gateway.stores.schema import attempts, requests
from gateway.stores.tiles import DAY_MS, Span

_a, _r = attempts.c, requests.c
_SUMMED = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "cost_nano",
)
_FIGURES = ("attempts", *_SUMMED, "estimated_nano", "cancelled_nano")
_ATTEMPTS: AttemptColumns = {str(column.name): column for column in attempts.columns}
"""Those that have rows of their own."""


def read_booked(
    connection: Connection, span: Span, time_zone: str, cards: Mapping[str, str]
) -> Sequence[BookedLine]:
    """Return the lines of `[since, until)` by local day and price; raise InvalidRequest for pruned days.

    Attempts are filed under the instant they began. Requests whose process died left none; their worst case
    is filed under the deployment they were sent to.
    """
    find_zone(time_zone)
    if span[0] < read_pruned(connection):
        raise InvalidRequest(
            f"attempts before {day_of(read_pruned(connection) // DAY_MS)} were pruned; compare later days",
            param="invoice",
        )
    sums: defaultdict[tuple[str, str, str], defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in connection.execute(_attempted(span, time_zone)).mappings():
        card = row["card"] or cards.get(row["deployment"], f"{row['provider']}/{row['deployment']}")
        for name in _FIGURES:
            sums[day_of(int(row["day"])), card, row["provider"]][name] += int(row[name] or 0)
    for row in connection.execute(_interrupted(span, time_zone)).mappings():
        card = cards.get(row["deployment"], row["deployment"])
        line = sums[day_of(int(row["day"])), card, card.partition("/")[0]]
        line["cost_nano"] += int(row["cost_nano"])
        line["interrupted_nano"] += int(row["cost_nano"])
    return [
        BookedLine(day=day, card=card, provider=provider, **line)
        for (day, card, provider), line in sorted(sums.items(), key=lambda item: item[0])
    ]


def _attempted(span: Span, time_zone: str) -> CompoundSelect[*tuple[object, ...]]:
    apart = _booked(_ATTEMPTS, _a.at_ms, span, time_zone).select_from(
        requests.join(attempts, _a.request_id == _r.id)
    )
    return union_all(apart, _booked(SOLE, _r.called_ms, span, time_zone).where(IS_SOLE))


def _booked(
    columns: AttemptColumns, at: Column[int], span: Span, time_zone: str
) -> Select[*tuple[object, ...]]:
    (since, until), cost = span, columns["cost_nano"]
    sums = [func.sum(columns[name]).label(name) for name in _SUMMED]
    estimated = func.sum(cost).filter(columns["estimated"]).label("estimated_nano")
    cancelled = func.sum(cost).filter(columns["outcome"] == "cancelled").label("cancelled_nano")
    by = [columns[name] for name in ("card", "deployment", "provider")]
    day = local_day(at, time_zone, span).label("day")
    return (
        select(day, *by, func.count().label("attempts"), *sums, estimated, cancelled)
        .where(_r.at_ms >= since - DAY_MS, _r.at_ms < until, at >= since, at < until)
        .group_by("day", *by)
    )


def _interrupted(span: Span, time_zone: str) -> Select[*tuple[object, ...]]:
    day = local_day(_r.at_ms, time_zone, span).label("day")
    return (
        select(day, _r.deployment, func.sum(_r.cost_nano).label("cost_nano"))
        .where(_r.at_ms >= span[0], _r.at_ms < span[1], _r.status == "interrupted")
        .group_by("day", _r.deployment)
    )
