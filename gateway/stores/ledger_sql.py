"""Ledger rows in SQL: inserting them once however often they come, and reading decisions back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec
from sqlalchemy import Connection, Dialect, Engine, RowMapping, Select, func, select, tuple_

from gateway.clock import decision_id_of
from gateway.stores.attempts_sql import sole_attempts
from gateway.stores.base import AnyRow, AttemptRow, DecisionRow, OpenRow, RequestRow
from gateway.stores.rollups_sql import mark_unsealed
from gateway.stores.row_values import SEPARATOR, SHAPES, Shape
from gateway.stores.schema import LARGEST, Value, decisions, requests
from gateway.stores.tiles import HOUR_MS

_PAGE = 500
_LONG_PAGE = 2_000

Insert: TypeAlias = Callable[[Connection, list[tuple[Value, ...]]], object]


class LedgerInserts:
    """The insert statements, made once for a database: every one leaves a row that is there alone."""

    def __init__(self, engine: Engine) -> None:
        make = _sqlite_insert if engine.dialect.name == "sqlite" else _postgres_insert
        self._by_kind: dict[type[AnyRow], tuple[Shape, Insert]] = {
            kind: (shape, make(shape, engine.dialect)) for kind, shape in SHAPES.items()
        }

    def insert(self, connection: Connection, rows: Sequence[AnyRow]) -> None:
        """Insert rows of every kind; openings have no table and are passed over."""
        alike: defaultdict[type[AnyRow], list[AnyRow]] = defaultdict(list)
        for row in rows:
            alike[type(row)].append(row)
        made = [row for row in alike[RequestRow] if isinstance(row, RequestRow)]
        tried = [row for row in alike[AttemptRow] if isinstance(row, AttemptRow)]
        sole, apart = sole_attempts(tried, made)
        alike[AttemptRow] = [*apart]
        for kind, (shape, insert) in self._by_kind.items():
            if alike[kind]:
                insert(connection, shape.values(alike[kind], sole))
        hours = {min(max(row.at_ms, 0), LARGEST) // HOUR_MS for row in made}
        mark_unsealed(connection, [hour * HOUR_MS for hour in hours])


def insert_interrupted(
    connection: Connection, inserts: LedgerInserts, openings: Sequence[OpenRow]
) -> tuple[RequestRow, ...]:
    """Close openings whose process died, at the worst they can have cost; return those that were open."""
    closed = _known_requests(connection, [opening.id for opening in openings])
    rows = tuple(interrupted(opening) for opening in openings if opening.id not in closed)
    inserts.insert(connection, rows)
    return rows


def interrupted(opening: OpenRow) -> RequestRow:
    """Return the request an opening becomes when its process died before closing it."""
    return RequestRow(
        id=opening.id,
        at_ms=opening.at_ms,
        team_id=opening.team_id,
        key_id=opening.key_id,
        dialect="",
        client_model="",
        stream=False,
        status="interrupted",
        http_status=0,
        tier=opening.tier,
        ground="",
        model=opening.model,
        deployment=opening.deployment,
        cost_nano=opening.worst_case_nano,
        estimated=True,
        policy_revision=opening.policy_revision,
        price_revision=opening.price_revision,
    )


def find_decision(connection: Connection, decision_id: str, team_id: str | None) -> DecisionRow | None:
    """Return a decision by its id or its request's id, within a team where one is given."""
    rows = _read_decisions(connection, decision_query(decision_id, team_id))
    return rows[0] if rows else None


def decision_query(name: str, team_id: str | None) -> Select[str, str, int, str, str]:
    """Return the query for a decision by either id: one follows from the other, so no index is needed."""
    return _decisions(team_id).where(decisions.c.id.in_((name, decision_id_of(name)))).limit(1)


def read_decisions(
    connection: Connection, after: tuple[int, str], until_ms: int, team_id: str | None
) -> list[DecisionRow]:
    """Return the next page of decisions past the place `after` (time, id)."""
    place = tuple_(decisions.c.at_ms, decisions.c.id)
    query = _decisions(team_id).where(place > after, decisions.c.at_ms < until_ms)
    return _read_decisions(connection, query.order_by(decisions.c.at_ms, decisions.c.id).limit(_PAGE))


def decisions_named(connection: Connection, ids: Sequence[str]) -> list[DecisionRow]:
    """Return the decisions with these ids, as far as they are kept."""
    found: list[DecisionRow] = []
    for start in range(0, len(ids), _PAGE):
        query = _decisions(None).where(decisions.c.id.in_(ids[start : start + _PAGE]))
        found += _read_decisions(connection, query)
    return found


def count_decisions(connection: Connection, since_ms: int, until_ms: int, team_id: str | None) -> int:
    """Return how many decisions a window holds."""
    query = select(func.count()).select_from(decisions)
    query = query.where(decisions.c.at_ms >= since_ms, decisions.c.at_ms < until_ms)
    if team_id is not None:
        query = query.where(decisions.c.team_id == team_id)
    return int(connection.scalar(query) or 0)


def read_requests(connection: Connection, after: tuple[int, str], until_ms: int) -> list[RequestRow]:
    """Return the next page of requests past the place `after` (time, id)."""
    place = tuple_(requests.c.at_ms, requests.c.id)
    query = select(requests).where(place > after, requests.c.at_ms >= after[0], requests.c.at_ms < until_ms)
    query = query.order_by(requests.c.at_ms, requests.c.id).limit(_LONG_PAGE)
    return [msgspec.convert(_unlisted(row), RequestRow) for row in connection.execute(query).mappings()]


def _unlisted(row: RowMapping) -> dict[str, object]:
    """Return a request's values with its lists taken apart."""
    values = {name: row[requests.c[name]] for name in RequestRow.__struct_fields__}
    lists = {name: tuple(filter(None, row[name].split(SEPARATOR))) for name in ("triggers", "tags")}
    return values | lists


def _sqlite_insert(shape: Shape, _dialect: Dialect) -> Insert:
    names, places = ", ".join(shape.columns), ", ".join("?" for _ in shape.columns)
    statement = f"INSERT INTO {shape.table.name} ({names}) VALUES ({places}) ON CONFLICT DO NOTHING"  # noqa: S608
    return lambda connection, rows: connection.exec_driver_sql(statement, rows)


def _postgres_insert(shape: Shape, dialect: Dialect) -> Insert:
    """Send a batch as one array per column: a row at a time costs PostgreSQL several times as much."""
    table, names = shape.table, ", ".join(shape.columns)
    arrays = ", ".join(f"%s::{table.c[name].type.compile(dialect)}[]" for name in shape.columns)
    statement = f"INSERT INTO {table.name} ({names}) SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING"  # noqa: S608
    return lambda connection, rows: connection.exec_driver_sql(
        statement, tuple(list(column) for column in zip(*rows, strict=True))
    )


def _known_requests(connection: Connection, ids: Sequence[str]) -> set[str]:
    known: set[str] = set()
    for start in range(0, len(ids), _PAGE):
        query = select(requests.c.id).where(requests.c.id.in_(ids[start : start + _PAGE]))
        known.update(connection.scalars(query))
    return known


def _decisions(team_id: str | None) -> Select[str, str, int, str, str]:
    query = select(
        decisions.c.id,
        decisions.c.request_id,
        decisions.c.at_ms,
        decisions.c.team_id,
        decisions.c.record,
    )
    return query if team_id is None else query.where(decisions.c.team_id == team_id)


def _read_decisions(connection: Connection, query: Select[str, str, int, str, str]) -> list[DecisionRow]:
    return [
        DecisionRow(
            id=row.id,
            request_id=row.request_id,
            at_ms=row.at_ms,
            team_id=row.team_id,
            record=msgspec.Raw(row.record.encode()),
        )
        for row in connection.execute(query)
    ]
