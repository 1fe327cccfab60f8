"""Reports: exact sums over the requests of a window, made by the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    RowMapping,
    and_,
    case,
    func,
    literal,
    select,
)

from gateway.errors import InvalidRequest
from gateway.stores.base import GroupBy, ReportLine, ReportQuery
from gateway.stores.business_days import DAY_MS, day_of, find_zone, offset_spans
from gateway.stores.schema import request_triggers, requests

NO_TRIGGER = "none"
"""The trigger group of requests for which none fired."""
_LAST_MS = 253_402_300_800_000
_MOST_DAYS = 3700

_r = requests.c
_PRICED = _r.baseline_nano.is_not(None)

_PLAIN_GROUPS: Mapping[GroupBy, ColumnElement[str]] = {
    "team": _r.team_id,
    "key": _r.key_id,
    "model": _r.model,
    "tier": _r.tier,
    "trigger": func.coalesce(request_triggers.c.trigger, NO_TRIGGER),
}

_SUMS: Mapping[str, ColumnElement[int]] = {
    "requests": func.count(),
    "failed": func.count().filter(_r.status == "failed"),
    "attempts": func.sum(_r.attempts),
    "input_tokens": func.sum(_r.input_tokens),
    "output_tokens": func.sum(_r.output_tokens),
    "cache_read_tokens": func.sum(_r.cache_read_tokens),
    "cache_write_tokens": func.sum(_r.cache_write_5m_tokens + _r.cache_write_1h_tokens),
    "cost_nano": func.sum(_r.cost_nano),
    "wasted_nano": func.sum(_r.wasted_nano),
    "baseline_nano": func.sum(_r.baseline_nano),
    "compared_cost_nano": func.sum(_r.cost_nano).filter(_PRICED),
    "unpriced_baselines": func.count().filter(_r.baseline_nano.is_(None)),
    "estimated": func.count().filter(_r.estimated),
    "interrupted": func.count().filter(_r.status == "interrupted"),
    "premium_requests": func.count().filter(_r.tier == "premium"),
}


def read_report(connection: Connection, query: ReportQuery) -> tuple[ReportLine, ...]:
    """Return one line per group, ordered by group; raise InvalidRequest.

    A request for which several triggers fired is summed in the group of each of them.
    """
    _check(query)
    if "day" in query.group_by:
        query = _narrow(connection, query)
    groups = _groups(query)
    labels = [column.label(f"group_{name}") for name, column in groups.items()]
    sums = [column.label(name) for name, column in _SUMS.items()]
    statement = (
        select(*labels, *sums)
        .select_from(_source(query))
        .where(*_conditions(query))
        .group_by(*(label.name for label in labels))
    )
    lines = [_line(tuple(groups), row) for row in connection.execute(statement).mappings()]
    return tuple(sorted(lines, key=lambda line: tuple(line.group.values())))


def _check(query: ReportQuery) -> None:
    find_zone(query.time_zone)
    if not 0 <= query.since_ms <= query.until_ms <= _LAST_MS:
        raise InvalidRequest("the report's window must begin before it ends, after 1970", param="since")


def _narrow(connection: Connection, query: ReportQuery) -> ReportQuery:
    """Return the query with its window narrowed to what the ledger holds, so that its days are few."""
    statement = select(func.min(_r.at_ms), func.max(_r.at_ms)).where(*_conditions(query))
    first, last = connection.execute(statement).one()
    if first is None or last is None:
        return msgspec.structs.replace(query, until_ms=query.since_ms)
    if last - first > _MOST_DAYS * DAY_MS:
        raise InvalidRequest(f"a report by day covers at most {_MOST_DAYS} days; narrow it", param="since")
    return msgspec.structs.replace(query, since_ms=int(first), until_ms=int(last) + 1)


def _groups(query: ReportQuery) -> Mapping[str, ColumnElement[str] | ColumnElement[int]]:
    """Return what the query groups by, each group once."""
    groups: dict[str, ColumnElement[str] | ColumnElement[int]] = {
        name: _day(query) if name == "day" else _PLAIN_GROUPS[name] for name in query.group_by
    }
    if query.bucket_s is not None:
        groups["bucket"] = _r.at_ms // (query.bucket_s * 1000)
    return groups


def _day(query: ReportQuery) -> ColumnElement[int]:
    """Return the number of local days since 1970 at a request's instant, as an expression."""
    *spans, last = offset_spans(find_zone(query.time_zone), query.since_ms, query.until_ms)
    offset: ColumnElement[int] = literal(last.offset_ms, BigInteger)
    if spans:
        changes = [(_r.at_ms < span.until_ms, literal(span.offset_ms, BigInteger)) for span in spans]
        offset = case(*changes, else_=offset)
    # One day is added before dividing and taken off after: SQL rounds a negative quotient toward zero.
    return (_r.at_ms + offset + DAY_MS) // DAY_MS - 1


def _source(query: ReportQuery) -> FromClause:
    if "trigger" not in query.group_by:
        return requests
    return requests.outerjoin(request_triggers, request_triggers.c.request_id == _r.id)


def _conditions(query: ReportQuery) -> list[ColumnElement[bool]]:
    conditions = [and_(_r.at_ms >= query.since_ms, _r.at_ms < query.until_ms)]
    if query.team_id is not None:
        conditions.append(_r.team_id == query.team_id)
    if query.key_id is not None:
        conditions.append(_r.key_id == query.key_id)
    chosen = ((_r.team_id, query.team_ids), (_r.key_id, query.key_ids), (_r.model, query.models))
    return conditions + [column.in_(values) for column, values in chosen if values]


def _line(groups: Sequence[str], row: RowMapping) -> ReportLine:
    group: dict[str, str] = {name: _group_value(name, row[f"group_{name}"]) for name in groups}
    return ReportLine(group=group, **{name: int(row[name] or 0) for name in _SUMS})


def _group_value(name: str, value: object) -> str:
    return day_of(int(str(value))) if name == "day" else str(value)
