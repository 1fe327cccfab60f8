"""From the journal into SQL: the thread that drains our own, and the replay of a dead process's."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import suppress

import structlog

from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.stores.base import AnyRow, OpenRow, RequestRow
from gateway.stores.database import Database
from gateway.stores.ledger_sql import LedgerInserts, insert_interrupted
from gateway.stores.spool import Batch, Claim, Position, Spool, read_batch, read_carried

_LINGER_S = 0.2
"""How long rows may gather before they are written together: a transaction costs as much as 50 requests."""
_LONGEST_BACK_OFF_S = 2.0
_SYNC_EVERY_S = 1.0
_LAST_PASS_S = 10.0
_SLOW_S = 2.0
"""A batch that takes longer than this does not count as reaching SQL."""
_REJECTED = "rejected.log"

_log = structlog.get_logger(__name__)


class Drain:
    """A thread that commits what `spool` appends, batch by batch, and deletes what SQL holds."""

    def __init__(self, database: Database, claim: Claim, spool: Spool, clock: Clock) -> None:
        self._database = database
        self._inserts = LedgerInserts(database.engine)
        self._claim, self._spool, self._clock = claim, spool, clock
        self._openings: dict[str, OpenRow] = {}
        self._at = Position(1, 0)
        self._batch: Batch | None = None
        """Read and not stored yet: rows come once."""
        self._synced_at = clock.monotonic()
        self._failures = 0
        self._storing_since: float | None = None
        self._moved = threading.Condition()
        self._wake, self._hurry, self._stop = spool.news, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger-drain", daemon=True)
        self._thread.start()

    @property
    def healthy(self) -> bool:
        """Whether the last pass succeeded, and the one under way is not stuck in the database."""
        since = self._storing_since
        stuck = since is not None and self._clock.monotonic() - since > _SLOW_S
        return self._failures == 0 and not stuck and self._thread.is_alive()

    @property
    def clean(self) -> bool:
        """Whether SQL holds everything and no request is open, so that the journal may go."""
        return self._at >= self._spool.end and not self._openings

    def wait_for(self, position: Position, timeout_s: float) -> bool:
        """Drain at once and return whether SQL holds everything before `position`."""
        self._hurry.set()
        self._wake.set()
        with self._moved:
            return self._moved.wait_for(lambda: self._at >= position, timeout_s)

    def stop(self) -> None:
        """Drain once more and end the thread; what a stuck database does not take stays in the journal."""
        self._stop.set()
        self._hurry.set()
        self._wake.set()
        self._thread.join(_LAST_PASS_S)

    def _run(self) -> None:
        last = False
        while not last:
            if self._wake.wait(_SYNC_EVERY_S):
                self._hurry.wait(min(_LINGER_S * 2**self._failures, _LONGEST_BACK_OFF_S))
            last = self._stop.is_set()  # before draining, so that the last pass sees all that came before
            self._wake.clear()
            self._hurry.clear()
            self._pass()

    def _pass(self) -> None:
        try:
            self._sync_when_due()
            while self._step():
                pass
        except Exception as error:  # noqa: BLE001 - whatever it is, a dead thread would lose the books
            self._failures = min(self._failures + 1, 10)
            self._wake.set()
            cause = error.detail if isinstance(error, GatewayError) else type(error).__name__
            _log.warning("ledger_drain_failed", cause=cause, kept_bytes=self._spool.kept_bytes)
            return
        self._succeed()

    def _succeed(self) -> None:
        if self._failures:
            self._failures = 0
            _log.info("ledger_drain_recovered")

    def _step(self) -> bool:
        batch = self._batch = self._batch or self._spool.read(self._at)
        if batch is None:
            return False
        self._storing_since = self._clock.monotonic()
        try:
            _store(self._database, self._inserts, self._claim, batch)
        finally:
            self._storing_since = None
        self._batch = None
        _follow(self._openings, batch.rows)
        self._succeed()  # before whoever waits for these rows looks
        self._advance(batch.end)
        return True

    def _advance(self, position: Position) -> None:
        if position.segment > self._at.segment:
            self._database.harden()
            self._spool.drop_before(position.segment, self._openings.values())
        with self._moved:
            self._at = position
            self._moved.notify_all()

    def _sync_when_due(self) -> None:
        now = self._clock.monotonic()
        if now - self._synced_at >= _SYNC_EVERY_S:
            self._spool.sync()
            self._synced_at = now


def replay(database: Database, claims: Iterable[Claim]) -> tuple[RequestRow, ...]:
    """Bring dead processes' journals into SQL and delete them; return the requests found open.

    Doing it again, or dying half-way and starting over, changes nothing.
    """
    recovered: list[RequestRow] = []
    pending = list(claims)
    try:
        while pending:
            recovered += _replay(database, pending[0])
            pending.pop(0).release(remove=True)
    finally:
        for claim in pending:
            claim.release(remove=False)
    return tuple(recovered)


def _replay(database: Database, claim: Claim) -> tuple[RequestRow, ...]:
    inserts = LedgerInserts(database.engine)
    openings: dict[str, OpenRow] = {}
    _follow(openings, read_carried(claim.folder))
    at = Position(0, 0)
    while batch := read_batch(claim.folder, at):
        _store(database, inserts, claim, batch)
        _follow(openings, batch.rows)
        at = batch.end
    rows = database.run_here(lambda connection: insert_interrupted(connection, inserts, [*openings.values()]))
    database.harden()
    _log.info("ledger_journal_replayed", journal=claim.folder.name, interrupted=len(rows))
    return rows


def _store(database: Database, inserts: LedgerInserts, claim: Claim, batch: Batch) -> None:
    database.run_here(lambda connection: inserts.insert(connection, batch.rows))
    if batch.damaged:
        _log.error("ledger_lines_damaged", journal=claim.folder.name, lines=len(batch.damaged))
        with suppress(OSError), (claim.folder.parent / _REJECTED).open("ab") as file:
            file.write(b"\n".join((*batch.damaged, b"")))


def _follow(openings: dict[str, OpenRow], rows: Iterable[AnyRow]) -> None:
    """Take rows in the journal's order; of several openings of one request the dearest counts."""
    for row in rows:
        if isinstance(row, OpenRow):
            known = openings.get(row.id)
            if known is None or row.worst_case_nano > known.worst_case_nano:
                openings[row.id] = row
        elif isinstance(row, RequestRow):
            openings.pop(row.id, None)
