"""Why the newest refused requests were refused: a bounded memory of their decision records.

A request refused before its first attempt cost nothing, and a client that loops on a refusal must not fill
the books. Its decision is asked for within minutes or never, so it is kept in memory and forgotten in turn.
"""

from __future__ import annotations

from collections import OrderedDict

from gateway.clock import decision_id_of
from gateway.stores.base import DecisionRow

MAX_BYTES = 8 * 1024 * 1024
MAX_RECORD_BYTES = 256 * 1024
"""A record that kept a long prompt is not worth hundreds of others."""


class RefusedDecisions:
    """The newest records of one process, within a number of bytes."""

    def __init__(self, most_bytes: int = MAX_BYTES) -> None:
        self._most_bytes = most_bytes
        self._rows: OrderedDict[str, DecisionRow] = OrderedDict()
        self._bytes = 0

    def keep(self, row: DecisionRow) -> None:
        """Keep a record, forgetting the oldest for it."""
        if row.id in self._rows or _size(row) > MAX_RECORD_BYTES:
            return
        self._rows[row.id] = row
        self._bytes += _size(row)
        while self._bytes > self._most_bytes:
            _, oldest = self._rows.popitem(last=False)
            self._bytes -= _size(oldest)

    def find(self, name: str, team_id: str | None = None) -> DecisionRow | None:
        """Return a decision by its id or its request's id; with a team, only if it is the team's own."""
        row = self._rows.get(decision_id_of(name))
        return row if row is not None and team_id in {None, row.team_id} else None


def _size(row: DecisionRow) -> int:
    return memoryview(row.record).nbytes
