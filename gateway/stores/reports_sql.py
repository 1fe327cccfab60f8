"""Reports: exact sums over the requests of a window, from rollups where they are whole and rows elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    case,
    func,
    literal,
    or_,
    select,
)

from gateway.errors import InvalidRequest
from gateway.stores.base import GroupBy, ReportLine, ReportQuery
from gateway.stores.business_days import cuts, find_zone, offset_spans
from gateway.stores.report_lines import Summing
from gateway.stores.rollups_sql import CUBES, FIGURES, FROM_ROWS, Cube, read_sealing
from gateway.stores.schema import requests, rollups
from gateway.stores.tiles import DAY_MS, GRAINS_MS, QUARTER_MS, Span, Tiling, tile

_LAST_MS = 253_402_300_800_000
_MOST_DAYS = 3700
_SPANS_AT_ONCE = 100
"""SQLite refuses expressions nested more than a thousand deep."""

COLUMNS: Mapping[GroupBy, str] = {
    "team": "team_id",
    "key": "key_id",
    "trigger": "triggers",
    "tag": "tags",
    **{
        name: name
        for name in (
            "model",
            "tier",
            "deployment",
            "provider",
            "ground",
            "status",
            "dialect",
            "client_model",
            "baseline",
            "policy_revision",
            "price_revision",
        )
    },
}
"""The column of `requests` behind every group that is not made of time."""


class _Source(msgspec.Struct, frozen=True):
    """What sums are read from: the requests, or a cube's tiles of one grain."""

    table: Table
    at: Column[int]
    figures: Mapping[str, ColumnElement[int] | ColumnElement[float]]
    grain_ms: int | None = None


_ROWS = _Source(requests, requests.c.at_ms, FROM_ROWS)


def read_report(connection: Connection, query: ReportQuery) -> tuple[ReportLine, ...]:
    """Return one line per group, ordered by group; raise InvalidRequest.

    A request for which several triggers fired, or with several tags, is summed in the group of each of them.
    """
    _check(query)
    query = _narrow(connection, query)
    cube = next((cube for cube in CUBES if _wanted(query) <= set(cube.dimensions)), None)
    tiling = tile(_edges(query), _grains(query) if cube else (), read_sealing(connection))
    summing = Summing(query)
    for source, spans in _sources(tiling, cube):
        statement = _statement(source, spans, query, summing.columns)
        for row in connection.execute(statement):
            summing.add(tuple(row))
    return summing.lines()


def _check(query: ReportQuery) -> None:
    find_zone(query.time_zone)
    if not 0 <= query.since_ms <= query.until_ms <= _LAST_MS:
        raise InvalidRequest("the report's window must begin before it ends, after 1970", param="since")


def _narrow(connection: Connection, query: ReportQuery) -> ReportQuery:
    """Return the query with its window narrowed to the days the ledger knows of, so that they are few."""
    known: list[int] = []
    quarters = rollups.c.grain_s == QUARTER_MS // 1000
    for at, more in ((requests.c.at_ms, ()), (rollups.c.start_ms, (quarters,))):
        inside = (*more, at >= query.since_ms - DAY_MS, at < query.until_ms)
        ends = (select(end(at)).where(*inside).scalar_subquery() for end in (func.min, func.max))
        known += [int(end) for end in connection.execute(select(*ends)).one() if end is not None]
    if not known:
        return msgspec.structs.replace(query, until_ms=query.since_ms)
    since = max(query.since_ms, min(known) // DAY_MS * DAY_MS)
    until = max(since, min(query.until_ms, (max(known) // DAY_MS + 1) * DAY_MS))
    if until - since > _MOST_DAYS * DAY_MS and {"day", "month"} & set(query.group_by):
        raise InvalidRequest(f"a report by day covers at most {_MOST_DAYS} days; narrow it", param="since")
    return msgspec.structs.replace(query, since_ms=since, until_ms=until)


def _wanted(query: ReportQuery) -> set[str]:
    """Return the columns that the query tells requests apart by."""
    filters = {
        "team_id": query.team_id is not None or query.team_ids,
        "key_id": query.key_id is not None or query.key_ids,
        "model": query.models,
        "tier": query.tiers,
        "tags": query.tags,
    }
    grouped = {COLUMNS[name] for name in query.group_by if name in COLUMNS}
    return grouped | {column for column, used in filters.items() if used}


def _grains(query: ReportQuery) -> tuple[int, ...]:
    """Return the grains whose tiles never reach across the edge of a bucket."""
    width = DAY_MS if query.bucket_s is None else query.bucket_s * 1000
    return tuple(grain for grain in GRAINS_MS if width % grain == 0)


def _edges(query: ReportQuery) -> list[int]:
    """Return the instants that no tile may reach across."""
    by = next((name for name in ("day", "month") if name in query.group_by), None)
    if by is None:
        return [query.since_ms, query.until_ms]
    return cuts(find_zone(query.time_zone), query.since_ms, query.until_ms, by=by)


def _sources(tiling: Tiling, cube: Cube | None) -> Iterator[tuple[_Source, Sequence[Span]]]:
    sources = [(_ROWS, tiling.raw)]
    if cube is not None:
        columns = cube.table.c
        figures = {name: func.coalesce(func.sum(columns[name]), 0) for name in FIGURES}
        sources += [
            (_Source(cube.table, columns.start_ms, figures, grain), spans)
            for grain, spans in tiling.sealed.items()
        ]
    for source, spans in sources:
        for n in range(0, len(spans), _SPANS_AT_ONCE):
            yield source, spans[n : n + _SPANS_AT_ONCE]


def _statement(
    source: _Source, spans: Sequence[Span], query: ReportQuery, columns: Sequence[str]
) -> Select[*tuple[object, ...]]:
    """Return the sums over the spans by these columns."""
    groups = [_group(source, name, query).label(f"group_{name}") for name in columns]
    figures = [source.figures[name].label(f"figure_{name}") for name in FIGURES]
    chosen = select(*groups, *figures).where(*_conditions(source, spans, query))
    return chosen.group_by(*(group.name for group in groups))


def _group(source: _Source, name: str, query: ReportQuery) -> ColumnElement[int] | ColumnElement[str]:
    if name == "day":
        return local_day(source.at, query.time_zone, (query.since_ms, query.until_ms))
    if name == "bucket":
        return source.at // ((query.bucket_s or 1) * 1000)
    return source.table.c[name]


def local_day(at: Column[int], time_zone: str, span: Span) -> ColumnElement[int]:
    """Return the number of local days since 1970 at an instant of the span, as an expression."""
    *spans, last = offset_spans(find_zone(time_zone), *span)
    offset: ColumnElement[int] = literal(last.offset_ms, BigInteger)
    if spans:
        changes = [(at < part.until_ms, literal(part.offset_ms, BigInteger)) for part in spans]
        offset = case(*changes, else_=offset)
    # One day is added before dividing and taken off after: SQL rounds a negative quotient toward zero.
    return (at + offset + DAY_MS) // DAY_MS - 1


def _conditions(source: _Source, spans: Sequence[Span], query: ReportQuery) -> list[ColumnElement[bool]]:
    at, columns = source.at, source.table.c
    of_grain = [] if source.grain_ms is None else [columns.grain_s == source.grain_ms // 1000]
    # Each span is spelt out whole, so that each is looked up in the index.
    conditions = [or_(*(and_(*of_grain, at >= start, at < end) for start, end in spans))]
    if query.team_id is not None:
        conditions.append(columns.team_id == query.team_id)
    if query.key_id is not None:
        conditions.append(columns.key_id == query.key_id)
    chosen = {
        "team_id": query.team_ids,
        "key_id": query.key_ids,
        "model": query.models,
        "tier": query.tiers,
    }
    return conditions + [columns[name].in_(values) for name, values in chosen.items() if values]
