"""What is done to the ledger behind everybody's back, one small step at a time: summing up, pruning."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import msgspec
import structlog

from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.stores.database import Database
from gateway.stores.pruning_sql import prune_decisions, prune_requests
from gateway.stores.rollups_sql import seal_next

_EVERY_S = 5.0
_SETTLED_S = 300.0
"""How long after its end an hour is summed up: most of its requests have ended by then."""
_LAST_STEP_S = 10.0
_PAUSE_S = 0.02
"""Between two steps, so that whoever inserts is never kept waiting for long."""

_log = structlog.get_logger(__name__)


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """How many days requests (with their attempts) and decisions are kept; None for ever."""

    requests_days: int | None = None
    decisions_days: int | None = None


class Upkeep:
    """A thread that keeps the ledger in order; any number of processes may do so at once."""

    def __init__(self, database: Database, clock: Clock, retention: Retention) -> None:
        self._database, self._clock, self._retention = database, clock, retention
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger-upkeep", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the step it is at, unless that is stuck in the database."""
        self._stop.set()
        self._thread.join(_LAST_STEP_S)

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_S):
            try:
                for _ in steps(self._database, self._clock.now(), self._retention):
                    if self._stop.wait(_PAUSE_S):
                        return
            except GatewayError as error:
                _log.warning("ledger_upkeep_failed", cause=error.detail or error.message)


def steps(database: Database, now_s: float, retention: Retention) -> Iterator[int]:
    """Do what is due at an instant, a step for each item: sum up, then prune; yield how many rows went."""
    while seal_next(database, now_s - _SETTLED_S):
        yield 0
    for days, prune in (
        (retention.requests_days, prune_requests),
        (retention.decisions_days, prune_decisions),
    ):
        if days is None:
            continue
        while (gone := prune(database, int((now_s - days * 86_400) * 1000))) is not None:
            yield gone
