"""What one process remembers of conversations: the tier they were raised to, for how long, cached prompts."""

from __future__ import annotations

from collections import OrderedDict

from msgspec.structs import replace

from gateway.stores.base import AttemptRow
from policies.facts import PromptCache, Session, Tier
from policies.verdicts import Decision

MAX_SESSIONS = 50_000
NEVER_RAISED = 1_000_000
"""Turns since the escalation of a session that has had none."""
_MOST_CACHES = 4
"""Deployments per session whose caches are remembered, the newest."""
_KEPT_S, _KEPT_LONG_S = 300.0, 3600.0
"""How long vendors keep a cached prompt after its last use, unless asked to keep it for an hour."""
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
        session_now = next_session(self._sessions.get((team_id, session)), decision)
        if session_now is not None:
            self._keep((team_id, session), session_now)

    def note_cache(self, team_id: str, session: str | None, served: AttemptRow, tier: Tier) -> None:
        """Note how much of the prompt the deployment that answered holds now, by its own count."""
        if session is None:
            return
        place = (team_id, session)
        known = self._sessions.get(place)
        cache = cache_of(served)
        if known is None and cache is None:
            return
        known = known or Session(tier=tier, turns_since_escalation=NEVER_RAISED)
        others = tuple(c for c in known.caches if c.deployment != served.deployment)[-_MOST_CACHES + 1 :]
        self._keep(place, replace(known, caches=others if cache is None else (*others, cache)))

    def _keep(self, place: tuple[str, str], session: Session) -> None:
        self._sessions[place] = session
        self._sessions.move_to_end(place)
        while len(self._sessions) > self._most:
            self._sessions.popitem(last=False)


def next_session(known: Session | None, decision: Decision) -> Session | None:
    """Return a session after one more decision; None while nothing has raised it."""
    if decision.tier == "premium" and decision.ground in _RAISING:
        caches = () if known is None else known.caches
        return Session(tier="premium", turns_since_escalation=1, caches=caches)
    if known is None:
        return None
    return replace(known, tier=decision.tier, turns_since_escalation=known.turns_since_escalation + 1)


def cache_of(served: AttemptRow) -> PromptCache | None:
    """Return the cache an attempt read or wrote; None where the vendor counted none."""
    tokens = served.cache_read_tokens + served.cache_write_5m_tokens + served.cache_write_1h_tokens
    if not tokens:
        return None
    kept_s = _KEPT_LONG_S if served.cache_write_1h_tokens else _KEPT_S
    return PromptCache(deployment=served.deployment, tokens=tokens, until=served.at_ms / 1000 + kept_s)
