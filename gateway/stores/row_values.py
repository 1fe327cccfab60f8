"""How a record becomes a row that fits its table (pure)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Annotated, TypeAlias

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, String, Table

from gateway.stores.base import AnswerRow, AnyRow, AttemptRow, DecisionRow, OutcomeRow, RequestRow
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


class _Shape(msgspec.Struct, frozen=True, kw_only=True):
    """How the records of one table are taken apart."""

    fitting: type[msgspec.Struct]
    """Takes, in the columns' order, only values that fit as they are; a few are written in another form."""
    pick_texts: Callable[[object], tuple[str, ...]]
    rewritten: tuple[tuple[int, Fit], ...]
    pick: Callable[[object], tuple[object, ...]]
    fits: tuple[Fit, ...]


def row_values(row: AnyRow) -> tuple[Value, ...]:
    """Return the row's values in its table's column order, each cut or bound to its column.

    Raise KeyError for an opening, which has no table.
    """
    shape = _SHAPES[type(row)]
    try:
        values = msgspec.structs.astuple(msgspec.convert(row, shape.fitting, from_attributes=True))
    except msgspec.ValidationError:
        return _cut(shape, row)
    if "\0" in "".join(shape.pick_texts(row)):
        return _cut(shape, row)
    if not shape.rewritten:
        return values
    changed = [*values]
    for at, fit in shape.rewritten:
        changed[at] = fit(values[at])
    return tuple(changed)


def _cut(shape: _Shape, row: msgspec.Struct) -> tuple[Value, ...]:
    """Return each value of a row cut or bound on its own, which takes several times as long."""
    return tuple([fit(value) for fit, value in zip(shape.fits, shape.pick(row), strict=True)])


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


def _fit_long(value: str) -> str:
    return value.replace("\0", "")


def _fit_record(value: msgspec.Raw) -> str:
    return str(value, "utf-8", "replace")


_OWN_FITS: dict[str, Fit] = {
    "triggers": _fit_names,
    "tags": _fit_names,
    "cache_nano": _fit_signed,
    "record": _fit_record,
}
_SIGNED = frozenset({"cache_nano"})
_REWRITTEN: dict[str, type] = {"triggers": tuple, "tags": tuple, "record": msgspec.Raw}
"""Columns that hold another form of the record's value."""


def _fitting_type(column: Column[str] | Column[int] | Column[bool]) -> object:
    if column.name in _REWRITTEN:
        return _REWRITTEN[column.name]
    if isinstance(column.type, Boolean):
        return bool
    if isinstance(column.type, BigInteger):
        lowest = -LARGEST if column.name in _SIGNED else 0
        number = Annotated[int, msgspec.Meta(ge=lowest, le=LARGEST)]
        return number | None if column.nullable else number
    size = column.type.length if isinstance(column.type, String) else None
    return str if size is None else Annotated[str, msgspec.Meta(max_length=size)]


def _shape(table: Table) -> _Shape:
    columns = tuple(table.columns)
    texts = [c.name for c in columns if isinstance(c.type, String) and c.name not in _REWRITTEN]
    return _Shape(
        fitting=msgspec.defstruct(table.name, [(str(c.name), _fitting_type(c)) for c in columns]),
        pick_texts=attrgetter(*texts),
        rewritten=tuple((at, _fit_of(c)) for at, c in enumerate(columns) if c.name in _REWRITTEN),
        pick=attrgetter(*table.columns.keys()),
        fits=tuple(_fit_of(column) for column in columns),
    )


_SHAPES: dict[type[msgspec.Struct], _Shape] = {
    AttemptRow: _shape(attempts),
    RequestRow: _shape(requests),
    DecisionRow: _shape(decisions),
    OutcomeRow: _shape(outcomes),
    AnswerRow: _shape(workflow_answers),
}
