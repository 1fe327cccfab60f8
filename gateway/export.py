"""The ledger as a table for others: a row per request or attempt, money in exact USD."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal, Protocol, TextIO, TypeAlias

from gateway.reports import plain
from gateway.stores.base import AttemptRow, RequestRow
from policies.pricing import usd

What = Literal["requests", "attempts"]
Cell: TypeAlias = str | int | bool | Decimal | datetime | None
ROWS: dict[What, type[RequestRow | AttemptRow]] = {"requests": RequestRow, "attempts": AttemptRow}


class Sink(Protocol):
    """Where exported rows go, a page at a time."""

    def write(self, rows: Sequence[RequestRow | AttemptRow]) -> None:
        """Take a page."""
        ...

    def close(self) -> None:
        """Take no more; without this the table may be without its end."""
        ...


def columns(what: What) -> tuple[str, ...]:
    """Return the names of the columns: the record's, amounts in `_usd` and the instant as `at`."""
    return tuple(_name(field) for field in ROWS[what].__struct_fields__)


def cells(row: RequestRow | AttemptRow) -> tuple[Cell, ...]:
    """Return a row's values in the order of its columns."""
    return tuple(_cell(field, getattr(row, field)) for field in row.__struct_fields__)


class CsvSink:
    """CSV with a header line, as RFC 4180 has it; names that look like formulas are defused."""

    def __init__(self, what: What, stream: TextIO) -> None:
        self._writer = csv.writer(stream, lineterminator="\r\n")
        self._writer.writerow(columns(what))

    def write(self, rows: Sequence[RequestRow | AttemptRow]) -> None:
        """Write a page."""
        self._writer.writerows(_texts(cells(row)) for row in rows)

    def close(self) -> None:
        """Do nothing: every line is whole."""


def _texts(values: Iterable[Cell]) -> list[str]:
    return [_text(value) for value in values]


def _text(value: Cell) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    return "" if value is None else plain(str(value))


def _name(field: str) -> str:
    if field == "at_ms":
        return "at"
    return field.removesuffix("_nano") + "_usd" if field.endswith("_nano") else field


def _cell(field: str, value: object) -> Cell:
    if field == "at_ms":
        return datetime.fromtimestamp(int(str(value)) / 1000, UTC)
    if field.endswith("_nano"):
        return None if value is None else usd(int(str(value)))
    if isinstance(value, tuple):
        return ",".join(value)
    return value if value is None or isinstance(value, (str, int)) else str(value)
