"""The budget controller: keeps the share of premium requests at a team's target while traffic drifts.

An online quantile: the threshold is the score that, over the team's recent requests, lets through as many
as the target leaves after the floors, corrected by how far the recent share was off. What a floor, a pin or
a wish sends to premium counts against the target but is never held back by it. A conversation that a prompt
cache holds counts with the threshold at which it would have moved.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from policies.verdicts import Decision, Ground

WINDOW = 60
"""Recent requests that are remembered: short, so that a new source of traffic is learnt within tens."""
WARM_UP = 20
"""Requests before the controller speaks; until then the pack's own threshold stands."""
_CORRECTION = 4.0
"""How eagerly a debt is paid back: within a quarter of a window. A sweep over window, eagerness and bound
(simulated sources, switched midway) kept every 500 requests within 2 points here; slower ones swing."""
_MOST_OWED = 10.0
"""Debts beyond this are forgiven, so that a long drought is not followed by a flood."""
_JUDGED: frozenset[Ground] = frozenset({"economy", "default", "cache"})
"""Grounds on which the threshold decides."""


class Seen(msgspec.Struct, frozen=True):
    """What the controller remembers of one decision."""

    score: float
    judged: bool
    premium: bool


class Controller(msgspec.Struct, frozen=True):
    """A team's recent decisions, oldest first, and the balance of premium calls since it began."""

    recent: tuple[Seen, ...] = ()
    owed: float = 0.0
    """Premium calls the target allowed so far minus those made, within bounds."""


def advance_controller(controller: Controller, decision: Decision, target_share: float) -> Controller:
    """Return the controller after a decision; housekeeping and refusals do not count as traffic."""
    if decision.ground == "housekeeping" or decision.denial is not None:
        return controller
    score = _reach(decision)
    seen = Seen(score or 0.0, score is not None, decision.tier == "premium")
    owed = _bounded(controller.owed + target_share - seen.premium)
    return Controller((*controller.recent[-WINDOW + 1 :], seen), owed)


def corrected_controller(controller: Controller, decided: str, served: str) -> Controller:
    """Return the controller once the tier that answered is known: fallbacks and redone answers shift it."""
    more = (served == "premium") - (decided == "premium")
    return replace(controller, owed=_bounded(controller.owed - more)) if more else controller


def controlled_threshold(controller: Controller, target_share: float) -> float | None:
    """Return the score from which requests may go to premium now; None while there is too little to go by."""
    recent = controller.recent
    if len(recent) < WARM_UP:
        return None
    scores = sorted((seen.score for seen in recent if seen.judged), reverse=True)
    if not scores:
        return None
    forced = sum(seen.premium and not seen.judged for seen in recent)
    wanted = target_share * len(recent) - forced + _CORRECTION * controller.owed
    return _cut(scores, wanted)


def _bounded(owed: float) -> float:
    return min(_MOST_OWED, max(-_MOST_OWED, owed))


def _reach(decision: Decision) -> float | None:
    """Return the highest threshold at which this would have gone to premium; None if none decides on it.

    A conversation with a cache was compared with a bar that is a multiple of the threshold, so its gain
    counts for that much less, or more. A bar of zero keeps it at premium whatever the threshold.
    """
    if decision.ground not in _JUDGED:
        return None
    switch, threshold = decision.switch, decision.threshold
    if switch is None or not threshold:
        return decision.score
    return decision.score * threshold / switch.bar if switch.bar > 0.0 else None


def _cut(scores: list[float], wanted: float) -> float:
    """Return the threshold that `wanted` of the descending `scores` reach, just above the next one."""
    count = int(wanted)
    if count <= 0:
        return max(1.0, scores[0]) + 1e-9
    if count >= len(scores):
        return scores[-1]
    return (scores[count - 1] + scores[count]) / 2
