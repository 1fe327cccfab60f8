"""Which decisions a person has to agree to, and what is done without that person. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from policies.candidates import with_candidates
from policies.facts import Features, Snapshot
from policies.policy import Policy
from policies.pricing import usd
from policies.verdicts import ApprovalNeed, Decision, Denial


def with_approval(decision: Decision, features: Features, policy: Policy) -> Decision:
    """Return the decision with the approval it needs, if any."""
    rules = policy.approval
    if decision.denial is not None or not rules.asks:
        return decision
    worst_nano = max((candidate.worst_case_nano for candidate in decision.candidates), default=0)
    reasons = []
    if rules.above_nano is not None and worst_nano > rules.above_nano:
        reasons.append(f"it may cost ${usd(worst_nano):f}, more than ${usd(rules.above_nano):f}")
    if (features.declared.data_class or "").lower() in rules.data_classes:
        reasons.append(f"its data is declared {features.declared.data_class}")
    reasons += [f"{f.trigger} fired" for f in decision.findings if f.trigger in rules.triggers]
    if not reasons:
        return decision
    need = ApprovalNeed(
        reasons=tuple(reasons),
        worst_case_nano=worst_nano,
        expires_after_s=rules.expires_after_s,
        meanwhile=rules.meanwhile,
        webhook=rules.webhook,
    )
    return replace(decision, approval=need)


def base_meanwhile(decision: Decision, features: Features, snapshot: Snapshot, policy: Policy) -> Decision:
    """Return what is done for a client that waits while nobody has agreed: the base tier, and no other.

    The floor it falls below is kept and flagged: the pack's author has said that this may be.
    """
    lowered = replace(decision, tier="base", ground="approval", floor=None)
    lowered = with_candidates(lowered, (), features, snapshot, policy)
    candidates = tuple(c for c in lowered.candidates if c.tier == "base")
    denial = None if candidates else Denial(code="policy_denied", reason="this needs a person's approval")
    return replace(
        lowered,
        tier="base",
        ground="approval",
        reason="waits for approval: " + "; ".join(decision.approval.reasons if decision.approval else ()),
        floor=decision.floor,
        below_floor=decision.floor == "premium",
        candidates=candidates,
        denial=lowered.denial or denial,
    )
