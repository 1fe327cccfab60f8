"""Triggers that did not fire but came close: the comparison nearest to its bound, and what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from policies.condition import Compare, Condition, Every, Negated, Some
from policies.policy import Trigger

NEAR = 0.5
"""Share of its bound that a signal has to reach to be told of."""


class NearMiss(msgspec.Struct, frozen=True, kw_only=True):
    """A trigger that did not fire."""

    trigger: str
    nearness: float
    """How much of the way the farthest of the comparisons that must hold together has gone, 0..1."""
    because: str
    """Those that did not hold, e.g. `detector.security 0.52 < 0.55`."""


def near_misses(
    triggers: Iterable[Trigger], signals: Mapping[str, float], fired: Iterable[str], most: int = 3
) -> tuple[NearMiss, ...]:
    """Return the triggers that came closest without firing, the closest first."""
    known = set(fired)
    missed = (_miss(trigger, signals) for trigger in triggers if trigger.id not in known)
    near = sorted((m for m in missed if m.nearness >= NEAR), key=lambda m: (-m.nearness, m.trigger))
    return tuple(near[:most])


def _miss(trigger: Trigger, signals: Mapping[str, float]) -> NearMiss:
    nearness, failed = _closest(trigger.when, signals)
    because = " and ".join(dict.fromkeys(_words(compare, signals) for compare in failed))
    return NearMiss(trigger=trigger.id, nearness=nearness, because=because)


def _closest(condition: Condition, signals: Mapping[str, float]) -> tuple[float, tuple[Compare, ...]]:
    """Return how near a condition is to holding by its easiest way, and what fails on that way."""
    match condition:
        case Compare():
            share = _share(condition, signals)
            return share, (() if share >= 1.0 else (condition,))
        case Some(parts=parts):
            return max((_closest(part, signals) for part in parts), key=lambda way: way[0])
        case Every(parts=parts):
            ways = [_closest(part, signals) for part in parts]
            return min(way[0] for way in ways), tuple(c for way in ways for c in way[1])
        case Negated():
            return 0.0, tuple(_compares(condition))


def _share(compare: Compare, signals: Mapping[str, float]) -> float:
    value = signals.get(compare.signal)
    if value is None:
        return 0.0
    if compare.is_ceiling:
        return 1.0 if value <= compare.bound else 0.0
    return 1.0 if value >= compare.bound else max(0.0, value / compare.bound)


def _words(compare: Compare, signals: Mapping[str, float]) -> str:
    value = signals.get(compare.signal)
    if value is None:
        return f"{compare.signal} not measured"
    return f"{compare.signal} {value:.2f} {'>' if compare.is_ceiling else '<'} {compare.bound:.2f}"


def _compares(condition: Condition) -> Iterator[Compare]:
    match condition:
        case Compare():
            yield condition
        case Negated(part=part):
            yield from _compares(part)
        case Every(parts=parts) | Some(parts=parts):
            for part in parts:
                yield from _compares(part)
