"""Which trigger should have spoken: the one that came nearest to firing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from policies.condition import Compare, Condition, Every, Negated, Some
from policies.policy import Trigger

NEAR = 0.5
"""A trigger at less than half of what it needs is not taken to have missed anything."""


def nearest_trigger(triggers: Iterable[Trigger], signals: Mapping[str, float]) -> str:
    """Return the silent trigger demanding premium that came nearest to firing; empty where none was near."""
    best, found = NEAR, ""
    for trigger in triggers:
        near = closeness(trigger.when, signals) if trigger.floor == "premium" else 0.0
        if best <= near < 1.0 and (near > best or not found):
            best, found = near, trigger.id
    return found


def closeness(condition: Condition, signals: Mapping[str, float]) -> float:
    """Return how much of what a condition needs is there, 0..1; 1 where it holds."""
    match condition:
        case Compare():
            return _share(condition, signals.get(condition.signal))
        case Negated(part=part):
            return 0.0 if closeness(part, signals) >= 1.0 else 1.0
        case Every(parts=parts):
            return min(closeness(part, signals) for part in parts)
        case Some(parts=parts):
            return max(closeness(part, signals) for part in parts)


def _share(condition: Compare, value: float | None) -> float:
    if value is None:
        return 0.0
    bound = condition.bound
    if condition.is_ceiling:
        held = value < bound or (value == bound and condition.comparison == "at_most")
        return 1.0 if held else min(0.99, max(0.0, bound / value)) if value > 0 else 0.0
    held = value > bound or (value == bound and condition.comparison == "at_least")
    return 1.0 if held else min(0.99, max(0.0, value / bound)) if bound > 0 else 0.0
