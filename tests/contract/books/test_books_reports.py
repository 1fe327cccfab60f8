"""A report is the exact sum of its rows, on every database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import InvalidRequest
from gateway.stores.base import (
    ReportLine,
    ReportQuery,
    RequestRow,
)
from gateway.stores.database import Database
from gateway.stores.ledger_sql import LedgerInserts
from gateway.stores.reports_sql import read_report
from gateway.stores.spent_sql import read_spent

ALL_TIME = ReportQuery(since_ms=0, until_ms=4_000_000_000_000)
REQUEST = RequestRow(
    id="req_1",
    at_ms=1_767_225_600_000,
    team_id="team_1",
    key_id="key_1",
    dialect="chat",
    client_model="auto",
    stream=False,
    status="ok",
    http_status=200,
    tier="base",
    ground="none",
)
change: Callable[..., Any] = msgspec.structs.replace
ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca")
CHANGES = (  # instants around which clocks change in these zones
    1_772_953_200_000,
    1_793_512_800_000,
    1_775_314_800_000,
    1_791_039_600_000,
)
_amounts = st.integers(0, 10**12)
_rows = st.builds(
    lambda at, **fields: change(REQUEST, at_ms=at, **fields),
    at=st.one_of(
        st.builds(int.__add__, st.sampled_from(CHANGES), st.integers(-90_000_000, 90_000_000)),
        st.sampled_from(CHANGES),
        st.integers(1_767_225_600_000, 1_798_761_600_000),
    ),
    team_id=st.sampled_from("tu"),
    key_id=st.sampled_from("kl"),
    model=st.sampled_from(("glm", "opus", "")),
    tier=st.sampled_from(("base", "premium")),
    status=st.sampled_from(("ok", "failed", "cancelled", "interrupted")),
    triggers=st.sets(st.sampled_from("abc")).map(tuple),
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
_groups = st.lists(st.sampled_from(("team", "key", "model", "tier", "trigger", "day")), max_size=3)


@given(
    rows=st.lists(_rows, max_size=12),
    groups=_groups,
    zone=st.sampled_from(ZONES),
    team=st.sampled_from(("t", None)),
)
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
def test_report_equals_rows(
    database: Database, rows: list[RequestRow], groups: list[str], zone: str, team: str | None
) -> None:
    """A report is the exact sum of its rows, whatever the groups, the zone and its changes of the clock."""
    rows = [change(row, id=f"req_{n}") for n, row in enumerate(rows)]
    query = change(ALL_TIME, group_by=tuple(groups), time_zone=zone, team_id=team)
    with database.engine.connect() as connection:
        LedgerInserts(database.engine).insert(connection, rows)
        found = read_report(connection, query)
        spent, _ = read_spent(connection, "team:t", 0)
        connection.rollback()
    assert list(found) == _sum([row for row in rows if team in {None, row.team_id}], query)
    assert spent == sum(row.cost_nano for row in rows if row.team_id == "t")


@given(
    rows=st.lists(_rows, max_size=12),
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
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_buckets_equal_rows(
    database: Database,
    rows: list[RequestRow],
    groups: list[str],
    bucket_s: int,
    chosen: dict[str, tuple[str, ...]],
) -> None:
    """Buckets of UTC are the exact sums of the rows that were chosen, and each row is in one of them."""
    rows = [change(row, id=f"req_{n}") for n, row in enumerate(rows)]
    query = change(ALL_TIME, group_by=tuple(groups), bucket_s=bucket_s, **chosen)
    with database.engine.connect() as connection:
        LedgerInserts(database.engine).insert(connection, rows)
        found = read_report(connection, query)
        connection.rollback()
    assert list(found) == _sum([row for row in rows if _is_chosen(row, chosen)], query)


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


def _sum(rows: list[RequestRow], query: ReportQuery) -> list[ReportLine]:
    """Sum rows as a report should, one at a time."""
    groups: dict[tuple[str, ...], list[RequestRow]] = defaultdict(list)
    names = (*dict.fromkeys(query.group_by), *(("bucket",) if query.bucket_s else ()))
    for row in rows:
        for trigger in (row.triggers or ("none",)) if "trigger" in names else ("",):
            groups[tuple(_group(row, name, trigger, query) for name in names)].append(row)
    if not names:
        groups[()] = rows
    return [_line(dict(zip(names, key, strict=True)), groups[key]) for key in sorted(groups)]


def _is_chosen(row: RequestRow, chosen: dict[str, tuple[str, ...]]) -> bool:
    pairs = ((row.team_id, "team_ids"), (row.key_id, "key_ids"), (row.model, "models"))
    return all(not chosen[name] or value in chosen[name] for value, name in pairs)


def _group(row: RequestRow, name: str, trigger: str, query: ReportQuery) -> str:
    if name == "day":
        instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=row.at_ms)
        return instant.astimezone(ZoneInfo(query.time_zone)).date().isoformat()
    if name == "bucket":
        return str(row.at_ms // 1000 // (query.bucket_s or 1))
    values = {
        "team": row.team_id,
        "key": row.key_id,
        "model": row.model,
        "tier": row.tier,
        "trigger": trigger,
    }
    return values[name]


def _line(group: dict[str, str], rows: list[RequestRow]) -> ReportLine:
    priced = [row for row in rows if row.baseline_nano is not None]
    return ReportLine(
        group=group,
        requests=len(rows),
        failed=sum(row.status == "failed" for row in rows),
        attempts=sum(row.attempts for row in rows),
        input_tokens=sum(row.input_tokens for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
        cache_read_tokens=sum(row.cache_read_tokens for row in rows),
        cache_write_tokens=sum(row.cache_write_5m_tokens + row.cache_write_1h_tokens for row in rows),
        cost_nano=sum(row.cost_nano for row in rows),
        wasted_nano=sum(row.wasted_nano for row in rows),
        baseline_nano=sum(row.baseline_nano or 0 for row in priced),
        compared_cost_nano=sum(row.cost_nano for row in priced),
        unpriced_baselines=len(rows) - len(priced),
        estimated=sum(row.estimated for row in rows),
        interrupted=sum(row.status == "interrupted" for row in rows),
        premium_requests=sum(row.tier == "premium" for row in rows),
    )
