"""What a pack says that cannot be meant: bounds out of reach, floors weakened in passing, names taken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policies.condition import Compare, Condition, Every, Negated, Some
from policies.policy import Policy, Trigger

_SHARES = (
    "detector.",
    "context.risk_",
    "context.impact_",
    "context.coverage",
    "request.declared_",
    "declared.",
)
"""Signals that lie in 0..1."""


def warnings(below: Policy | None, policy: Policy, names: Sequence[str]) -> tuple[str, ...]:
    """Return what is odd about the last pack of a stack called `names`; `below` is the policy without it."""
    own = [trigger for trigger in policy.triggers if trigger.layer == names[-1]]
    known = {trigger.id: trigger for trigger in below.triggers} if below else {}
    return (
        *(
            [f"another pack below is called `{names[-1]}` too; give this one its own name"]
            if names[-1] in names[:-1]
            else []
        ),
        *(line for trigger in own for line in _unreachable(trigger)),
        *(line for trigger in own if trigger.id in known for line in _weakened(known[trigger.id], trigger)),
        *(f"trigger `{t.id}` of pack `{t.layer}` is disabled" for t in known.values() if _is_gone(t, policy)),
        *_beyond(policy),
    )


def _is_gone(trigger: Trigger, policy: Policy) -> bool:
    return trigger.floor is not None and all(trigger.id != t.id for t in policy.triggers)


def _weakened(earlier: Trigger, later: Trigger) -> Iterator[str]:
    if earlier.floor == "premium" and later.floor != "premium":
        yield f"trigger `{later.id}` replaces one of pack `{earlier.layer}` and drops its floor; keep it"
    elif earlier.when != later.when:
        yield f"trigger `{later.id}` replaces that of pack `{earlier.layer}`; give it an id of its own"


def _unreachable(trigger: Trigger) -> Iterator[str]:
    for compare in _needed(trigger.when):
        if compare.signal.startswith(_SHARES) and _is_past(compare, 1.0):
            yield f"trigger `{trigger.id}`: {compare.signal} never exceeds 1; lower {compare.bound:g}"
    for every in _alls(trigger.when):
        yield from (f"trigger `{trigger.id}`: {line}" for line in _contradictions(every))


def _is_past(compare: Compare, most: float) -> bool:
    return (
        compare.bound > most
        if compare.comparison == "at_least"
        else compare.comparison == "above" and compare.bound >= most
    )


def _contradictions(every: Every) -> Iterator[str]:
    parts = [part for part in every.parts if isinstance(part, Compare)]
    for low in (part for part in parts if not part.is_ceiling):
        for high in (part for part in parts if part.is_ceiling and part.signal == low.signal):
            if low.bound > high.bound:
                yield f"{low.signal} cannot be both from {low.bound:g} and up to {high.bound:g}; correct one"


def _beyond(policy: Policy) -> Iterator[str]:
    economy = policy.economy
    if economy.enabled and economy.threshold >= 1.0 and economy.score.startswith(_SHARES):
        yield f"economy.threshold {economy.threshold:g} is hardly ever reached; disable the economy"


def _needed(condition: Condition) -> Iterator[Compare]:
    match condition:
        case Compare():
            yield condition
        case Every(parts=parts) | Some(parts=parts):
            for part in parts:
                yield from _needed(part)
        case Negated():
            return


def _alls(condition: Condition) -> Iterator[Every]:
    match condition:
        case Every(parts=parts):
            yield condition
            for part in parts:
                yield from _alls(part)
        case Some(parts=parts):
            for part in parts:
                yield from _alls(part)
        case Compare() | Negated():
            return
