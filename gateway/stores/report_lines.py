"""From sums as the database groups them to a report's lines: lists taken apart, days folded (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import TypeAlias

from gateway.stores.base import ReportLine, ReportQuery
from gateway.stores.business_days import day_of
from gateway.stores.row_values import SEPARATOR
from gateway.stores.schema import SUMMED

NONE = "none"
"""The group of requests for which no trigger fired, or without a tag."""

Cell: TypeAlias = object
_BEHIND: Mapping[str, str] = {"team": "team_id", "key": "key_id", "trigger": "triggers", "tag": "tags"}
_TIMES: Mapping[str, int] = {"day": len("2026-01-31"), "month": len("2026-01")}
"""How much of a day's ISO date names the group."""


class Summing:
    """Adds up rows of groups and figures; the figures of one group may come in several rows."""

    def __init__(self, query: ReportQuery) -> None:
        self._names = tuple(dict.fromkeys(query.group_by))
        self._bucketed = query.bucket_s is not None
        self._tags = frozenset(query.tags)
        self._sums: dict[tuple[str, ...], list[float]] = {}
        self.columns = self._columns()

    def _columns(self) -> tuple[str, ...]:
        """Return what the database is to group by: column names, `day` and `bucket`."""
        asked = ["day" if name in _TIMES else _BEHIND.get(name, name) for name in self._names]
        if self._bucketed:
            asked.append("bucket")
        if self._tags:
            asked.append("tags")
        return tuple(dict.fromkeys(asked))

    def add(self, row: Sequence[Cell]) -> None:
        """Add a row: a value for each of `columns`, then the figures in their order."""
        values = dict(zip(self.columns, map(str, row), strict=False))
        if self._tags and self._tags.isdisjoint(values["tags"].split(SEPARATOR)):
            return
        figures = row[len(self.columns) :]
        for group in self._groups(values):
            sums = self._sums.setdefault(group, [0] * len(figures))
            for n, figure in enumerate(figures):
                sums[n] += _number(figure)

    def lines(self) -> tuple[ReportLine, ...]:
        """Return the lines in order of their groups; without groups exactly one."""
        names = (*self._names, *(("bucket",) if self._bucketed else ()))
        if not names and not self._sums:
            self._sums[()] = [0] * (len(SUMMED) + 1)
        return tuple(
            _line(dict(zip(names, group, strict=True)), self._sums[group]) for group in sorted(self._sums)
        )

    def _groups(self, values: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
        """Yield the groups a row belongs to: one, but for lists."""
        choices = [_values(name, values) for name in self._names]
        if self._bucketed:
            choices.append([values["bucket"]])
        return product(*choices)


def _values(name: str, values: Mapping[str, str]) -> list[str]:
    if name in _TIMES:
        return [day_of(int(values["day"]))[: _TIMES[name]]]
    if name in {"trigger", "tag"}:
        return (values[_BEHIND[name]] or NONE).split(SEPARATOR)
    return [values[_BEHIND.get(name, name)]]


def _number(figure: object) -> float:
    return figure if isinstance(figure, (int, float)) else int(str(figure))


def _line(group: dict[str, str], sums: list[float]) -> ReportLine:
    *whole, squares = sums
    figures = {name: int(value) for name, value in zip(SUMMED, whole, strict=True)}
    return ReportLine(group=group, savings_squares=float(squares), **figures)
