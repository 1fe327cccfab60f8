"""How a record becomes a row that fits its table (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
Sole: TypeAlias = Mapping[str, AttemptRow]
"""By request, the one attempt it took, where the request's row holds that too."""

SEPARATOR = ","
"""Between the names of a list in one column."""
_LONGEST_NAME = 128
_NO_LISTS = ("", "")
_NO_CALL = (None, None, None)
_NONE: Sole = {}
_NUL = b"\\u0000"
"""As it stands in JSON; a text that only looks like it is taken for it, and comes through unchanged."""

_encode = msgspec.json.Encoder().encode


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """How the records of one table are taken apart."""

    table: Table
    columns: tuple[str, ...]
    """Those of the table, first what goes as it is, then what is written in another form."""
    plain: Callable[[AnyRow], tuple[Value, ...]]
    fitting: object
    """The type of a list of such values that all fit."""
    rewritten: Callable[[AnyRow, Sole], tuple[Value, ...]]
    fits: tuple[Fit, ...]
    """What makes a plain value fit, column by column."""

    def values(self, rows: Sequence[AnyRow], sole: Sole = _NONE) -> list[tuple[Value, ...]]:
        """Return each row's values in the order of `columns`, each cut or bound to its column."""
        picked = [self.plain(row) for row in rows]
        try:
            msgspec.convert(picked, self.fitting)
            fit = _NUL not in _encode(picked)
        except (msgspec.ValidationError, UnicodeEncodeError):
            fit = False
        if not fit:  # value by value, which takes several times as long
            picked = [tuple([fit(v) for fit, v in zip(self.fits, row, strict=True)]) for row in picked]
        return [(*values, *self.rewritten(row, sole)) for values, row in zip(picked, rows, strict=True)]


def _fit_of(column: Column[str] | Column[int] | Column[bool]) -> Fit:
    if isinstance(column.type, Boolean):
        return bool
    if isinstance(column.type, BigInteger):
        return _fit_signed if column.name in _SIGNED else _fit_number
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


def _lists_and_call(row: RequestRow, sole: Sole) -> tuple[Value, ...]:
    names = (_fit_names(row.triggers), _fit_names(row.tags)) if row.triggers or row.tags else _NO_LISTS
    call = sole.get(row.id)
    if call is None:
        return (*names, *_NO_CALL)
    return (
        *names,
        _fit_text(_LONGEST_NAME, call.card),
        _fit_number(call.at_ms),
        _fit_number(call.latency_ms),
    )


def _record(row: DecisionRow, _sole: Sole) -> tuple[Value, ...]:
    return (str(row.record, "utf-8", "replace"),)


def _nothing(_row: AnyRow, _sole: Sole) -> tuple[Value, ...]:
    return ()


_SIGNED = frozenset({"cache_nano"})


def _fitting_type(column: Column[str] | Column[int] | Column[bool]) -> object:
    if isinstance(column.type, Boolean):
        return bool
    if isinstance(column.type, BigInteger):
        lowest = -LARGEST if column.name in _SIGNED else 0
        number = Annotated[int, msgspec.Meta(ge=lowest, le=LARGEST)]
        return number | None if column.nullable else number
    size = column.type.length if isinstance(column.type, String) else None
    return str if size is None else Annotated[str, msgspec.Meta(max_length=size)]


def _shape(table: Table, rewritten: Callable[..., tuple[Value, ...]] = _nothing, *names: str) -> Shape:
    """Return the shape of a table's records, some of whose columns are rewritten."""
    plain = [column for column in table.columns if column.name not in names]
    types = tuple([_fitting_type(column) for column in plain])
    return Shape(
        table=table,
        columns=(*(str(column.name) for column in plain), *names),
        plain=attrgetter(*(str(column.name) for column in plain)),
        fitting=list[tuple.__class_getitem__(types)],  # type: ignore[misc]
        rewritten=rewritten,
        fits=tuple([_fit_of(column) for column in plain]),
    )


SHAPES: Mapping[type[AnyRow], Shape] = {
    AttemptRow: _shape(attempts),
    RequestRow: _shape(requests, _lists_and_call, "triggers", "tags", "card", "called_ms", "call_ms"),
    DecisionRow: _shape(decisions, _record, "record"),
    OutcomeRow: _shape(outcomes),
    AnswerRow: _shape(workflow_answers),
}
"""Openings have no table."""
