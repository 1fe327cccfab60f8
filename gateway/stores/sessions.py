"""What one process remembers of conversations: the tier they were raised to, and for how long."""

from __future__ import annotations

from collections import OrderedDict

from policies.facts import Session
from policies.verdicts import Decision

MAX_SESSIONS = 50_000
_RAISING = frozenset({"floor", "economy", "route_wish"})


class SessionMemory:
    """A bounded memory of sessions; the least recently used is forgotten first."""

    def __init__(self, most: int = MAX_SESSIONS) -> None:
        self._most = most
        self._sessions: OrderedDict[tuple[str, str], Session] = OrderedDict()

    def recall(self, team_id: str, session: str | None) -> Session | None:
        """Return what is known of a team's session."""
        return None if session is None else self._sessions.get((team_id, session))

    def remember(self, team_id: str, session: str | None, decision: Decision) -> None:
        """Note what was decided: a raise starts the count anew, anything else lets it run on."""
        if session is None or decision.ground == "housekeeping":
            return
        place = (team_id, session)
        session_now = next_session(self._sessions.get(place), decision)
        if session_now is not None:
            self._sessions[place] = session_now
            self._sessions.move_to_end(place)
        while len(self._sessions) > self._most:
            self._sessions.popitem(last=False)


def next_session(known: Session | None, decision: Decision) -> Session | None:
    """Return a session after one more decision; None while nothing has raised it."""
    if decision.tier == "premium" and decision.ground in _RAISING:
        return Session(tier="premium", turns_since_escalation=1)
    if known is None:
        return None
    return Session(tier=decision.tier, turns_since_escalation=known.turns_since_escalation + 1)
