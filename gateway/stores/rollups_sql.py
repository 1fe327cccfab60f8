"""Sums kept beside the ledger: made from its rows alone, thrown away and made again when more rows come.

Whoever inserts requests marks their hour and day as unsealed in the same transaction; whoever sums an
hour up takes the mark away in the same transaction. So a reader who takes unsealed hours from the rows
and all others from the sums counts every request once, whatever crashed or was replayed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    case,
    delete,
    func,
    insert,
    literal,
    select,
)

from gateway.stores.database import Database
from gateway.stores.schema import (
    SUMMED,
    attempts,
    key_rollups,
    meta,
    requests,
    rollups,
    tag_rollups,
    team_rollups,
    unsealed,
)
from gateway.stores.tiles import DAY_MS, GRAINS_MS, HOUR_MS, QUARTER_MS, Sealing, Span

PRUNED = "requests_pruned_ms"
_ALONE = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "LOCK TABLE unsealed IN SHARE ROW EXCLUSIVE MODE"}
"""Waits for every insert under way, and keeps later ones waiting until the transaction ends."""
_MARKED = (HOUR_MS, DAY_MS)

_r = requests.c
_PRICED = _r.baseline_nano.is_not(None)
_saved_usd = (_r.baseline_nano - _r.cost_nano) * literal(1e-9)


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _total(column: ColumnElement[int]) -> ColumnElement[int]:
    return func.coalesce(func.sum(column), 0)


FROM_ROWS: Mapping[str, ColumnElement[int] | ColumnElement[float]] = {
    "requests": func.count(),
    "failed": _count(_r.status == "failed"),
    "cancelled": _count(_r.status == "cancelled"),
    "interrupted": _count(_r.status == "interrupted"),
    "attempts": _total(_r.attempts),
    "premium_requests": _count(_r.tier == "premium"),
    **{
        name: _total(_r[name])
        for name in (
            "input_tokens",
            "output_tokens",
            "cache_read_tokens",
            "cache_write_5m_tokens",
            "cache_write_1h_tokens",
            "reasoning_tokens",
            "cost_nano",
            "wasted_nano",
            "cache_nano",
            "baseline_nano",
        )
    },
    "compared_cost_nano": func.coalesce(func.sum(_r.cost_nano).filter(_PRICED), 0),
    "unpriced_baselines": _count(_r.baseline_nano.is_(None)),
    "estimated": _count(_r.estimated),
    "estimated_nano": func.coalesce(func.sum(_r.cost_nano).filter(_r.estimated), 0),
    "savings_squares": func.coalesce(func.sum(_saved_usd * _saved_usd), 0.0),
}
"""Every figure of a report as a sum over requests."""
FIGURES = (*SUMMED, "savings_squares")


class Cube(msgspec.Struct, frozen=True):
    """Sums by some dimensions: the columns of `requests` it tells apart."""

    table: Table
    dimensions: tuple[str, ...]
    base: Table | None = None
    """The finer sums it is made from; None: the requests."""


def _cube(table: Table, base: Table | None = None) -> Cube:
    return Cube(table, tuple(table.columns.keys()[2 : -len(FIGURES)]), base)


_MADE = (
    _cube(rollups),
    _cube(key_rollups, rollups),
    _cube(team_rollups, key_rollups),
    _cube(tag_rollups),
)
"""Each after what it is made from."""
CUBES = (_MADE[2], _MADE[1], _MADE[0], _MADE[3])
"""The smallest that tells enough apart comes first."""


def mark_unsealed(connection: Connection, instants: Iterable[int]) -> None:
    """Say that the rollups of these instants (Unix ms) do not hold all of their requests."""
    marks = sorted({(grain // 1000, at - at % grain) for at in instants for grain in _MARKED})
    if marks:
        connection.exec_driver_sql(_MARK[connection.dialect.name], marks)


_MARK = {
    "sqlite": "INSERT INTO unsealed VALUES (?, ?) ON CONFLICT DO NOTHING",
    "postgresql": "INSERT INTO unsealed VALUES (%s, %s) ON CONFLICT DO NOTHING",
}


def read_sealing(connection: Connection) -> Sealing:
    """Return how far the rollups can be trusted at this moment."""
    found: dict[int, list[int]] = {grain: [] for grain in GRAINS_MS}
    for grain_s, start in connection.execute(select(unsealed).order_by(unsealed.c.start_ms)):
        found[grain_s * 1000].append(start)
    found[QUARTER_MS] = [hour + n * QUARTER_MS for hour in found[HOUR_MS] for n in range(4)]
    return Sealing(unsealed=found, pruned_ms=read_pruned(connection))


def read_pruned(connection: Connection) -> int:
    """Return the instant before which requests were pruned, 0 when none were."""
    return int(connection.scalar(select(meta.c.value).where(meta.c.name == PRUNED)) or 0)


def oldest_unsealed(connection: Connection, before_ms: int) -> Span | None:
    """Return the next tile to sum up of those that ended before an instant: a day only once its hours are."""
    for grain in _MARKED:
        query = select(func.min(unsealed.c.start_ms)).where(
            unsealed.c.grain_s == grain // 1000, unsealed.c.start_ms <= before_ms - grain
        )
        start = connection.scalar(query)
        if start is not None:
            return int(start), int(start) + grain
    return None


def begin_alone(connection: Connection) -> None:
    """Begin a transaction during which nobody inserts, once those that do now are done."""
    connection.exec_driver_sql(_ALONE[connection.dialect.name])


def seal(connection: Connection, tile: Span) -> None:
    """Sum up an hour's requests, or a day's hours, while nobody inserts."""
    start, end = tile
    if end - start == HOUR_MS:
        _seal_hour(connection, start)
    else:
        for cube in _MADE:
            _sum_up(connection, cube, (HOUR_MS, DAY_MS), start)
    _unmark(connection, tile)


def seal_next(database: Database, before_s: float) -> bool:
    """Sum up the oldest unsealed hour or day that ended before an instant; tell whether there was one."""
    before_ms = int(before_s * 1000)
    if database.run_here(lambda connection: oldest_unsealed(connection, before_ms)) is None:
        return False

    def alone(connection: Connection) -> None:
        begin_alone(connection)
        tile = oldest_unsealed(connection, before_ms)
        if tile is not None:  # no other process was faster
            seal(connection, tile)

    database.run_here(alone)
    return True


def delete_requests(connection: Connection, span: Span) -> int:
    """Delete the requests of a span with their attempts; return how many requests there were."""
    inside = and_(_r.at_ms >= span[0], _r.at_ms < span[1])
    connection.execute(delete(attempts).where(attempts.c.request_id.in_(select(_r.id).where(inside))))
    return connection.execute(delete(requests).where(inside)).rowcount


def _seal_hour(connection: Connection, start: int) -> None:
    """Sum up by quarters and as a whole; latecomers to what was pruned are added, then deleted too."""
    span, late = (start, start + HOUR_MS), start < read_pruned(connection)
    for cube in _MADE:
        if cube.base is not None or not late:
            _forget(connection, cube, QUARTER_MS, start)
        _fill(connection, cube, _quarters(cube, span))
        _sum_up(connection, cube, (QUARTER_MS, HOUR_MS), start)
    if late:
        delete_requests(connection, span)


def _quarters(cube: Cube, span: Span) -> Select[*tuple[object, ...]]:
    """Return a span's sums by quarter of an hour, from what the cube is made from."""
    grain, (start, end) = literal(QUARTER_MS // 1000), span
    if cube.base is None:
        quarter = (_r.at_ms - _r.at_ms % QUARTER_MS).label("start_ms")
        dimensions = [_r[name] for name in cube.dimensions]
        sums = [FROM_ROWS[name] for name in FIGURES]
        chosen = select(grain, quarter, *dimensions, *sums).where(_r.at_ms >= start, _r.at_ms < end)
        return chosen.group_by("start_ms", *dimensions)
    columns = cube.base.c
    kept = [columns.start_ms, *(columns[name] for name in cube.dimensions)]
    chosen = select(grain, *kept, *(func.sum(columns[name]) for name in FIGURES))
    return chosen.where(_inside(cube.base, QUARTER_MS, start, end)).group_by(*kept)


def _sum_up(connection: Connection, cube: Cube, grains: tuple[int, int], start: int) -> None:
    """Make one tile of the second grain out of those of the first."""
    fine, coarse = grains
    _forget(connection, cube, coarse, start)
    columns = cube.table.c
    dimensions = [columns[name] for name in cube.dimensions]
    sums = [func.sum(columns[name]) for name in FIGURES]
    inside = _inside(cube.table, fine, start, start + coarse)
    chosen = select(literal(coarse // 1000), literal(start), *dimensions, *sums).where(inside)
    _fill(connection, cube, chosen.group_by(*dimensions))


def _fill(connection: Connection, cube: Cube, chosen: Select[*tuple[object, ...]]) -> None:
    names = ("grain_s", "start_ms", *cube.dimensions, *FIGURES)
    connection.execute(insert(cube.table).from_select(names, chosen))


def _forget(connection: Connection, cube: Cube, grain: int, start: int) -> None:
    """Delete the tiles of a grain within the hour or day that begins there."""
    whole = DAY_MS if grain == DAY_MS else HOUR_MS
    connection.execute(delete(cube.table).where(_inside(cube.table, grain, start, start + whole)))


def _inside(table: Table, grain: int, start: int, end: int) -> ColumnElement[bool]:
    columns = table.c
    return and_(columns.grain_s == grain // 1000, columns.start_ms >= start, columns.start_ms < end)


def _unmark(connection: Connection, tile: Span) -> None:
    start, end = tile
    of_tile = (unsealed.c.grain_s == (end - start) // 1000, unsealed.c.start_ms == start)
    connection.execute(delete(unsealed).where(*of_tile))
