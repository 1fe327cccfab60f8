"""How a record becomes a row that fits its table (pure)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import TypeAlias

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, String

from gateway.stores.base import AnswerRow, AttemptRow, DecisionRow, OutcomeRow, RequestRow
from gateway.stores.schema import (
    LARGEST,
    Value,
    attempts,
    decisions,
    fit_text,
    outcomes,
    requests,
    workflow_answers,
)

Fit: TypeAlias = Callable[..., Value]

SEPARATOR = ","
"""Between the names of a list in one column."""
_LONGEST_NAME = 128


def row_values(row: AttemptRow | RequestRow | DecisionRow | OutcomeRow | AnswerRow) -> tuple[Value, ...]:
    """Return the row's values in its table's column order, each cut or bound to its column."""
    pick, fits = _SHAPES[type(row)]
    return tuple([fit(value) for fit, value in zip(fits, pick(row), strict=True)])


def _fit_of(column: Column[str] | Column[int] | Column[bool]) -> Fit:
    if column.name in _OWN_FITS:
        return _OWN_FITS[column.name]
    if isinstance(column.type, Boolean):
        return bool
    if isinstance(column.type, BigInteger):
        return _fit_number
    size = column.type.length if isinstance(column.type, String) else None
    return _fit_long if size is None else partial(_fit_text, size)


def _fit_text(size: int, value: str) -> str:
    return value if len(value) <= size and "\0" not in value else fit_text(value, size)


def _fit_number(value: int | None) -> int | None:
    return value if value is None or 0 <= value <= LARGEST else min(max(value, 0), LARGEST)


def _fit_signed(value: int) -> int:
    return min(max(value, -LARGEST), LARGEST)


def _fit_names(names: tuple[str, ...]) -> str:
    """Return names in order, each once, as many as fit."""
    if not names:
        return ""
    room, kept = 2048, list[str]()
    for name in sorted({fit_text(name, _LONGEST_NAME).replace(SEPARATOR, "") for name in names} - {""}):
        room -= len(name) + 1
        if room < 0:
            break
        kept.append(name)
    return SEPARATOR.join(kept)


def _fit_long(value: msgspec.Raw | str) -> str:
    if isinstance(value, str):
        return value.replace("\0", "")
    return bytes(value).decode("utf-8", "replace")


_OWN_FITS: dict[str, Fit] = {"triggers": _fit_names, "tags": _fit_names, "cache_nano": _fit_signed}

_SHAPES: dict[type[msgspec.Struct], tuple[Callable[[object], tuple[object, ...]], tuple[Fit, ...]]] = {
    kind: (attrgetter(*table.columns.keys()), tuple(_fit_of(column) for column in table.columns))
    for kind, table in (
        (AttemptRow, attempts),
        (RequestRow, requests),
        (DecisionRow, decisions),
        (OutcomeRow, outcomes),
        (AnswerRow, workflow_answers),
    )
}
