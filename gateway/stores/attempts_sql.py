"""Attempts as SQL holds them: that of a request which took one, and went well, stands in the request's row.

Such an attempt says nothing that its request does not, but when it began, how long it took and by which
price it was booked; a row and two trees less are written for most requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import TypeAlias

from sqlalchemy import ColumnElement, Connection, Select, literal, select, true, union_all

from gateway.stores.base import AttemptRow, RequestRow
from gateway.stores.schema import attempts, requests

AttemptColumns: TypeAlias = Mapping[str, ColumnElement[str] | ColumnElement[int] | ColumnElement[bool]]

_r = requests.c
_SHARED = (
    "tier",
    "model",
    "deployment",
    "provider",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "cost_nano",
    "estimated",
)
_ENDED = ("ok", 200, True)

_shared = attrgetter(*_SHARED)
_ended = attrgetter("outcome", "status", "delivered")

IS_SOLE = _r.card.is_not(None)
"""The request's row holds its attempt too."""
SOLE: AttemptColumns = {
    "id": _r.id + ".0",
    "request_id": _r.id,
    "at_ms": _r.called_ms,
    "outcome": literal(_ENDED[0]),
    "status": literal(_ENDED[1]),
    "delivered": true(),
    "latency_ms": _r.call_ms,
    "card": _r.card,
    **{name: _r[name] for name in _SHARED},
}
"""The attempt's columns, made of the request's."""


def sole_attempts(
    tried: Sequence[AttemptRow], made: Sequence[RequestRow]
) -> tuple[dict[str, AttemptRow], list[AttemptRow]]:
    """Return, by request, the attempts that requests of the same batch can hold; and the others."""
    asked = {row.id: row for row in made if row.attempts == 1}
    sole: dict[str, AttemptRow] = {}
    others: list[AttemptRow] = []
    for row in tried:
        request = asked.get(row.request_id)
        if request is not None and _holds(request, row):
            sole[row.request_id] = row
        else:
            others.append(row)
    return sole, others


def read_attempts_of(connection: Connection, request_ids: Sequence[str]) -> list[AttemptRow]:
    """Return what was tried for requests, in the order of their ids."""
    told = [SOLE[str(column.name)].label(str(column.name)) for column in attempts.columns]
    query: Select[*tuple[object, ...]] = select(*told)
    rows = connection.execute(
        union_all(
            select(attempts).where(attempts.c.request_id.in_(request_ids)),
            query.where(IS_SOLE, _r.id.in_(request_ids)),
        ).order_by("request_id", "at_ms", "id")
    )
    return [AttemptRow(**row) for row in rows.mappings()]


def _holds(request: RequestRow, attempt: AttemptRow) -> bool:
    """Tell whether the request's row, with three columns more, says all that the attempt's does."""
    return (
        _ended(attempt) == _ENDED and _shared(attempt) == _shared(request) and attempt.id == f"{request.id}.0"
    )
