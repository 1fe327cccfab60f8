"""Deleting what is older than it need be kept; the sums of deleted requests stay."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, insert, select

from gateway.stores.database import Database
from gateway.stores.rollups_sql import (
    PRUNED,
    begin_alone,
    delete_requests,
    oldest_unsealed,
    read_pruned,
    seal_next,
)
from gateway.stores.schema import decisions, meta, requests
from gateway.stores.tiles import HOUR_MS

_DECISIONS_AT_ONCE = 2_000


def prune_requests(database: Database, before_ms: int) -> int | None:
    """Delete the oldest hour's requests and attempts if it ended before an instant; return how many requests.

    None when there is nothing left to do. An hour is deleted only once it is summed up, and in one
    transaction with the note that it is gone.
    """
    while seal_next(database, before_ms / 1000):
        pass

    def alone(connection: Connection) -> int | None:
        begin_alone(connection)
        first = connection.scalar(select(func.min(requests.c.at_ms)))
        if first is None or oldest_unsealed(connection, before_ms):
            return None
        start = int(first) // HOUR_MS * HOUR_MS
        if start + HOUR_MS > before_ms:
            return None
        _note(connection, max(read_pruned(connection), start + HOUR_MS))
        return delete_requests(connection, (start, start + HOUR_MS))

    return database.run_here(alone)


def prune_decisions(database: Database, before_ms: int) -> int | None:
    """Delete some of the decisions older than an instant; return how many, None when there were none."""
    oldest = select(decisions.c.id).where(decisions.c.at_ms < before_ms)
    some = oldest.order_by(decisions.c.at_ms, decisions.c.id).limit(_DECISIONS_AT_ONCE)

    def work(connection: Connection) -> int:
        return connection.execute(delete(decisions).where(decisions.c.id.in_(some))).rowcount

    return database.run_here(work) or None


def _note(connection: Connection, pruned_ms: int) -> None:
    connection.execute(delete(meta).where(meta.c.name == PRUNED))
    connection.execute(insert(meta).values(name=PRUNED, value=str(pruned_ms)))
