"""A glance that refuses most triggers: lower bounds of which a condition needs one to be reached."""

from __future__ import annotations

from policies.condition import Compare, Condition, Every, Negated, Some

Gate = tuple[tuple[str, float], ...]
"""Signals with bounds: while all are measured and below, the condition cannot hold. Empty: none can say."""


def gate_of(condition: Condition) -> Gate:
    """Return the gate of a condition: of every way it can hold, one comparison that way cannot do without."""
    match condition:
        case Compare(signal=name, bound=bound):
            return () if condition.is_ceiling else ((name, bound),)
        case Every(parts=parts):
            return min(filter(None, map(gate_of, parts)), key=len, default=())
        case Some(parts=parts):
            gates = [gate_of(part) for part in parts]
            least: dict[str, float] = {}
            for name, bound in (pair for gate in gates for pair in gate):
                least[name] = min(bound, least.get(name, bound))
            return tuple(least.items()) if all(gates) else ()
        case Negated():
            return ()
