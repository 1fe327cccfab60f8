"""A report is the exact sum of its rows, on every database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, get_args
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from row_samples import request_row
from sqlalchemy import Connection

from gateway.errors import InvalidRequest
from gateway.stores.base import GroupBy, ReportLine, ReportQuery, RequestRow
from gateway.stores.database import Database
from gateway.stores.ledger_sql import LedgerInserts
from gateway.stores.reports_sql import read_report
from gateway.stores.rollups_sql import oldest_unsealed, seal
from gateway.stores.spent_sql import read_spent

ALL_TIME = ReportQuery(since_ms=0, until_ms=4_000_000_000_000)
REQUEST = request_row(id="req_1", at_ms=1_767_225_600_000, team_id="team_1", key_id="key_1")
change: Callable[..., Any] = msgspec.structs.replace
GROUPS = get_args(GroupBy)
ZONES = (
    "UTC",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
)
CHANGES = (  # instants around which clocks change in these zones
    1_772_953_200_000,
    1_793_512_800_000,
    1_775_314_800_000,
    1_791_039_600_000,
)
_amounts = st.integers(0, 10**12)
_instants = st.one_of(
    st.builds(int.__add__, st.sampled_from(CHANGES), st.integers(-90_000_000, 90_000_000)),
    st.sampled_from(CHANGES),
    st.integers(1_767_225_600_000, 1_798_761_600_000),
)
_rows = st.builds(
    lambda at, **fields: change(REQUEST, at_ms=at, **fields),
    at=_instants,
    team_id=st.sampled_from("tu"),
    key_id=st.sampled_from("kl"),
    model=st.sampled_from(("glm", "opus", "")),
    tier=st.sampled_from(("base", "premium")),
    status=st.sampled_from(("ok", "failed", "cancelled", "interrupted")),
    triggers=st.sets(st.sampled_from("abc")).map(tuple),
    tags=st.sets(st.sampled_from("xyz")).map(tuple),
    ground=st.sampled_from(("none", "floor")),
    reasoning_tokens=_amounts,
    cache_nano=st.integers(-(10**12), 10**12),
    attempts=st.integers(0, 3),
    input_tokens=_amounts,
    output_tokens=_amounts,
    cache_read_tokens=_amounts,
    cache_write_5m_tokens=_amounts,
    cache_write_1h_tokens=_amounts,
    cost_nano=_amounts,
    wasted_nano=_amounts,
    baseline_nano=st.none() | _amounts,
    estimated=st.booleans(),
)
_groups = st.lists(st.sampled_from(GROUPS), max_size=3)
_slices = st.lists(st.integers(0, 12), max_size=3)
"""After how many rows everything is summed up, so that later ones come to hours that were."""


@given(
    rows=st.lists(_rows, max_size=12),
    slices=_slices,
    groups=_groups,
    zone=st.sampled_from(ZONES),
    team=st.sampled_from(("t", None)),
    tags=st.sampled_from(((), ("x",), ("x", "z"))),
)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_report_equals_rows(  # noqa: PLR0913, PLR0917 - one parameter per thing that varies
    database: Database,
    rows: list[RequestRow],
    slices: list[int],
    groups: list[str],
    zone: str,
    team: str | None,
    tags: tuple[str, ...],
) -> None:
    """A report is the exact sum of its rows, whatever was summed up before, came late or came twice."""
    rows = [change(row, id=f"req_{n}") for n, row in enumerate(rows)]
    query = change(ALL_TIME, group_by=tuple(groups), time_zone=zone, team_id=team, tags=tags)
    with database.engine.connect() as connection:
        _insert(connection, rows, slices)
        found = read_report(connection, query)
        spent, _ = read_spent(connection, "team:t", 0)
        connection.rollback()
    chosen = [row for row in rows if team in {None, row.team_id} and (not tags or {*tags} & {*row.tags})]
    assert _without_squares(found) == _without_squares(_sum(chosen, query))
    assert [line.savings_squares for line in found] == pytest.approx(
        [line.savings_squares for line in _sum(chosen, query)]
    )
    assert spent == sum(row.cost_nano for row in rows if row.team_id == "t")


@given(
    rows=st.lists(_rows, max_size=12),
    slices=_slices,
    groups=st.lists(st.sampled_from(("team", "key", "model")), max_size=2),
    bucket_s=st.sampled_from((60, 3_600, 86_400)),
    chosen=st.fixed_dictionaries(
        {
            "team_ids": st.sampled_from(((), ("t",), ("t", "u"), ("none",))),
            "key_ids": st.sampled_from(((), ("k",), ("k", "l"))),
            "models": st.sampled_from(((), ("glm",), ("opus", ""))),
        }
    ),
)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_buckets_equal_rows(
    database: Database,
    rows: list[RequestRow],
    slices: list[int],
    groups: list[str],
    bucket_s: int,
    chosen: dict[str, tuple[str, ...]],
) -> None:
    """Buckets of UTC are the exact sums of the rows that were chosen, and each row is in one of them."""
    rows = [change(row, id=f"req_{n}") for n, row in enumerate(rows)]
    query = change(ALL_TIME, group_by=tuple(groups), bucket_s=bucket_s, **chosen)
    with database.engine.connect() as connection:
        _insert(connection, rows, slices)
        found = read_report(connection, query)
        connection.rollback()
    wanted = _sum([row for row in rows if _is_chosen(row, chosen)], query)
    assert _without_squares(found) == _without_squares(wanted)


@given(rows=st.lists(_rows, max_size=12), slices=_slices, ends=st.tuples(_instants, _instants))
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_window(
    database: Database, rows: list[RequestRow], slices: list[int], ends: tuple[int, int]
) -> None:
    """A window that begins and ends at any millisecond holds its rows and no others."""
    since, until = sorted(ends)
    rows = [change(row, id=f"req_{n}") for n, row in enumerate(rows)]
    with database.engine.connect() as connection:
        _insert(connection, rows, slices)
        (line,) = read_report(connection, ReportQuery(since_ms=since, until_ms=until))
        connection.rollback()
    inside = [row for row in rows if since <= row.at_ms < until]
    assert (line.requests, line.cost_nano) == (len(inside), sum(row.cost_nano for row in inside))


def test_window_is_half_open(database: Database) -> None:
    """The first instant of a window is in it, the last is not."""
    rows = [change(REQUEST, id=str(at), at_ms=at, cost_nano=at) for at in (9, 10, 19, 20)]
    with database.engine.connect() as connection:
        LedgerInserts(database.engine).insert(connection, rows)
        (line,) = read_report(connection, ReportQuery(since_ms=10, until_ms=20))
        connection.rollback()
    assert line.cost_nano == 29


@pytest.mark.parametrize(
    ("query", "param"),
    [
        (change(ALL_TIME, time_zone="Mars/Olympus"), "time_zone"),
        (change(ALL_TIME, time_zone="../etc/passwd"), "time_zone"),
        (change(ALL_TIME, time_zone="a\0b"), "time_zone"),
        (change(ALL_TIME, since_ms=-1), "since"),
        (change(ALL_TIME, since_ms=2, until_ms=1), "since"),
        (change(ALL_TIME, until_ms=10**18), "since"),
    ],
)
def test_bad_report(database: Database, query: ReportQuery, param: str) -> None:
    """A window or a zone that means nothing is refused by its parameter's name."""
    with database.engine.begin() as connection, pytest.raises(InvalidRequest) as caught:
        read_report(connection, query)
    assert caught.value.param == param


def test_too_many_days(database: Database) -> None:
    """A report by day over more days than a decade has is refused."""
    rows = [change(REQUEST, id=str(at), at_ms=at) for at in (0, 10**12)]
    with database.engine.connect() as connection:
        LedgerInserts(database.engine).insert(connection, rows)
        with pytest.raises(InvalidRequest, match="at most 3700 days"):
            read_report(connection, change(ALL_TIME, group_by=("day",)))
        connection.rollback()


def _insert(connection: Connection, rows: list[RequestRow], slices: list[int]) -> None:
    """Insert rows, all of them twice, and sum up what is there after each of so many of them."""
    inserts, start = LedgerInserts(connection.engine), 0
    for end in sorted(slices):
        inserts.insert(connection, rows[start:end])
        while tile := oldest_unsealed(connection, 4_000_000_000_000):
            seal(connection, tile)
        start = max(start, end)
    inserts.insert(connection, rows)


def _without_squares(lines: Iterable[ReportLine]) -> list[ReportLine]:
    """Leave out the one figure that is no whole number, and so depends on the order of adding."""
    return [change(line, savings_squares=0.0) for line in lines]


def _sum(rows: list[RequestRow], query: ReportQuery) -> list[ReportLine]:
    """Sum rows as a report should, one at a time."""
    groups: dict[tuple[str, ...], list[RequestRow]] = defaultdict(list)
    names = (*dict.fromkeys(query.group_by), *(("bucket",) if query.bucket_s else ()))
    for row in rows:
        for group in product(*(_groups_of(row, name, query) for name in names)):
            groups[group].append(row)
    if not names:
        groups[()] = rows
    return [_line(dict(zip(names, key, strict=True)), groups[key]) for key in sorted(groups)]


def _is_chosen(row: RequestRow, chosen: dict[str, tuple[str, ...]]) -> bool:
    pairs = ((row.team_id, "team_ids"), (row.key_id, "key_ids"), (row.model, "models"))
    return all(not chosen[name] or value in chosen[name] for value, name in pairs)


def _groups_of(row: RequestRow, name: str, query: ReportQuery) -> tuple[str, ...]:
    if name in {"day", "month"}:
        instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=row.at_ms)
        day = instant.astimezone(ZoneInfo(query.time_zone)).date().isoformat()
        return (day if name == "day" else day[:7],)
    if name == "bucket":
        return (str(row.at_ms // 1000 // (query.bucket_s or 1)),)
    if name in {"trigger", "tag"}:
        return getattr(row, f"{name}s") or ("none",)
    return (getattr(row, {"team": "team_id", "key": "key_id"}.get(name, name)),)


def _line(group: dict[str, str], rows: list[RequestRow]) -> ReportLine:
    priced = [row for row in rows if row.baseline_nano is not None]
    same = (
        "attempts", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_5m_tokens",
        "cache_write_1h_tokens", "reasoning_tokens", "cost_nano", "wasted_nano", "cache_nano",
    )  # fmt: skip
    return ReportLine(
        group=group,
        requests=len(rows),
        **{name: sum(getattr(row, name) for row in rows) for name in same},
        **{name: sum(row.status == name for row in rows) for name in ("failed", "cancelled", "interrupted")},
        baseline_nano=sum(row.baseline_nano or 0 for row in priced),
        compared_cost_nano=sum(row.cost_nano for row in priced),
        unpriced_baselines=len(rows) - len(priced),
        estimated=sum(row.estimated for row in rows),
        estimated_nano=sum(row.cost_nano for row in rows if row.estimated),
        premium_requests=sum(row.tier == "premium" for row in rows),
        savings_squares=sum(((row.baseline_nano or 0) - row.cost_nano) ** 2 * 1e-18 for row in priced),
    )
