"""How triggers have done so far: the outcomes of the last months, counted and kept for a minute."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from gateway.clock import Clock
from gateway.stores.base import OutcomeReader
from policies.trigger_validation.history import History, count_outcomes, settle_labels

DAYS = 90
_DAY_MS = 86_400_000
_TRUST_S = 60.0
_MOST_TEAMS = 10_000


class TrackRecords:
    """The history of each team's triggers; counted off the event loop, at most once a minute."""

    def __init__(self, outcomes: OutcomeReader, clock: Clock) -> None:
        self._outcomes = outcomes
        self._clock = clock
        self._known: OrderedDict[str | None, tuple[float, History]] = OrderedDict()

    async def history(self, team_id: str | None) -> History:
        """Return what is known of a team's triggers, of all teams' for None; raise StoreUnavailable."""
        now = self._clock.monotonic()
        known = self._known.get(team_id)
        if known is None or known[0] <= now:
            known = (now + _TRUST_S, await self._count(team_id))
            self._known[team_id] = known
            if len(self._known) > _MOST_TEAMS:
                self._known.popitem(last=False)
        return known[1]

    async def _count(self, team_id: str | None) -> History:
        until_ms = int(self._clock.now() * 1000) + 1
        labelled = await self._outcomes.labelled(until_ms - DAYS * _DAY_MS, until_ms, team_id=team_id)
        return await asyncio.to_thread(lambda: count_outcomes(settle_labels(labelled)))
