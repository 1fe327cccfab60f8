"""What is done to the ledger behind everybody's back, one small step at a time: summing up, pruning."""

from __future__ import annotations

import threading

import structlog
from sqlalchemy import Connection

from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.stores.database import Database
from gateway.stores.rollups_sql import begin_alone, oldest_unsealed, seal

_EVERY_S = 5.0
_SETTLED_S = 300.0
"""How long after its end an hour is summed up: most of its requests have ended by then."""
_PAUSE_S = 0.02
"""Between two steps, so that whoever inserts is never kept waiting for long."""

_log = structlog.get_logger(__name__)


class Upkeep:
    """A thread that keeps the ledger in order; any number of processes may do so at once."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger-upkeep", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the step it is at."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_S):
            try:
                while seal_next(self._database, self._clock.now() - _SETTLED_S):
                    if self._stop.wait(_PAUSE_S):
                        return
            except GatewayError as error:
                _log.warning("ledger_upkeep_failed", cause=error.detail or error.message)


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
