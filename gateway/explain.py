"""A decision in words: one plain sentence, then the facts behind it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from policies.escalation_triggers.declared import FIELDS
from policies.facts import Declared
from policies.near_misses import near_misses
from policies.policy import Policy
from policies.pricing import usd
from policies.verdicts import Decision

_BECAUSE = {
    "floor": "because a critical trigger fired",
    "economy": "because the expected gain is worth the price",
    "cache": "because moving is not worth the prompt cache it would lose",
    "pin": "because the model was asked for by name",
    "route_wish": "because the caller asked for this tier",
    "sticky": "because the conversation was escalated a moment ago",
    "housekeeping": "because it is a client's housekeeping call, not work",
    "approval": "until a person agrees to more",
    "guard": "because the other tier cannot serve it",
    "default": "because nothing argued for the premium model",
}


_FELL = "premium failed and the pack lets a floor fall: base served, below what a critical trigger demands"


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What people read first."""

    sentence: str
    why: list[str]
    why_not: list[str]
    """What spoke for the other tier, or why a deployment was left out."""
    prices: list[str]


def explain(
    decision: Decision,
    *,
    fell_below_floor: bool = False,
    failed_check: str = "",
    policy: Policy | None = None,
    declared: Declared | None = None,
) -> Explanation:
    """Return the decision in words; with the policy that made it, also what came close to firing.

    With what was declared of the work, also what of it was not believed.
    """
    if decision.denial is not None:
        sentence = f"Refused: {decision.denial.reason}."
    else:
        layer = f" ({decision.decided_by})" if decision.decided_by else ""
        sentence = f"Routed to {decision.tier} {_BECAUSE[decision.ground]}: {decision.reason}{layer}."
    return Explanation(
        sentence=sentence,
        why=[_finding_line(decision, index) for index in range(len(decision.findings))],
        why_not=_against(decision)
        + _disbelieved(declared)
        + list(_afterwards(fell_below_floor=fell_below_floor, failed_check=failed_check))
        + _near(decision, policy),
        prices=[
            f"{a.tier} {a.deployment}: "
            + ("unpriced" if a.expected_nano is None else f"about ${usd(a.expected_nano):.6f}")
            for a in decision.alternatives
        ]
        + _switch_line(decision),
    )


def _disbelieved(declared: Declared | None) -> list[str]:
    if declared is None or declared.trusted:
        return []
    fields = [name for name in FIELDS if getattr(declared, name) is not None]
    if not fields:
        return []
    return [f"{', '.join(fields)} as declared: not believed of a key without the scope `attribution`"]


def _switch_line(decision: Decision) -> list[str]:
    switch = decision.switch
    if switch is None:
        return []
    price = f"about ${usd(switch.extra_nano):.6f} for {switch.lost_tokens} cached tokens"
    return [f"a switch loses {price}; with that counted the threshold is {switch.bar:.3f}"]


def _afterwards(*, fell_below_floor: bool, failed_check: str) -> Iterator[str]:
    """Yield what happened to the decision when it was carried out."""
    if fell_below_floor:
        yield _FELL
    if failed_check:
        yield f"the base answer failed the check {failed_check}, so premium was asked to redo it"


def _finding_line(decision: Decision, index: int) -> str:
    finding = decision.findings[index]
    words = ", ".join(dict.fromkeys(f"{s.label}@{s.start}-{s.end}" for s in finding.spans[:8]))
    floor = f", demands {finding.floor}" if finding.floor else ""
    seen = f"; seen at {words}" if words else ""
    return f"{finding.trigger} ({finding.level}/{finding.layer}{floor}): {finding.because}{seen}"


def _near(decision: Decision, policy: Policy | None) -> list[str]:
    if policy is None or policy.revision != decision.policy_revision:
        return []
    fired = (finding.trigger for finding in decision.findings)
    missed = near_misses(policy.triggers, decision.signals, fired)
    return [f"{miss.trigger} did not fire: {miss.because}" for miss in missed]


def _against(decision: Decision) -> list[str]:
    lines = [f"{d.deployment} left out: {d.reason}" for d in decision.dropped]
    lines += [f"data of class {applied}" for applied in decision.data_classes]
    if decision.threshold is not None and decision.ground != "economy":
        comparison = "<" if decision.score < decision.threshold else ">="
        lines.append(f"expected gain {decision.score:.3f} {comparison} threshold {decision.threshold:.3f}")
    if decision.below_floor:
        lines.append("the pinned model is below the floor a critical trigger demands; flagged, not changed")
    return lines + [f"not evaluated: {error}" for error in decision.errors]
