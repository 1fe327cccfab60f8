"""The decision: features, state and policy in, a reasoned verdict out. Total, deterministic, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from policies.candidates import with_candidates
from policies.condition import evaluate, signal_names
from policies.facts import Features, Snapshot, Tier
from policies.policy import Fleet, Policy, Trigger
from policies.verdicts import Decision, Finding, Ground, Signal

_TIER_ORDER: Mapping[Tier, int] = {"base": 0, "premium": 1}


def decide(features: Features, snapshot: Snapshot, policy: Policy) -> Decision:
    """Return the verdict for one request: tier, ground, reason, findings and ordered candidates."""
    signals = measure(features, policy)
    findings, errors = fire(policy.triggers, signals)
    findings = tuple(_located(finding, features, policy) for finding in findings)
    return judge(features, snapshot, policy, signals=signals, findings=findings, errors=errors)


def measure(features: Features, policy: Policy) -> dict[str, Signal]:
    """Return every signal of the request; housekeeping calls are not measured."""
    signals: dict[str, Signal] = {}
    if features.ask.housekeeping is None:
        for source in policy.sources:
            signals.update(source.measure(features))
    return signals


def fire(
    triggers: Iterable[Trigger], signals: Mapping[str, Signal]
) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Return the findings in order of priority, and what could not be evaluated.

    A trigger whose condition needs a signal nobody measured is skipped and reported; without any
    signals at all (housekeeping) there is nothing to report.
    """
    findings, errors = [], []
    for trigger in triggers if signals else ():
        verdict = evaluate(trigger.when, signals)
        if verdict.matched:
            findings.append(
                Finding(
                    trigger=trigger.id,
                    kind=trigger.kind,
                    strength=verdict.strength,
                    because=verdict.because,
                    layer=trigger.layer,
                    floor=trigger.floor,
                    spans=verdict.spans,
                )
            )
        elif verdict.missing:
            errors.append(f"{trigger.id}: {', '.join(verdict.missing)} not measured; skipped")
    return tuple(findings), tuple(errors)


def judge(
    features: Features,
    snapshot: Snapshot,
    policy: Policy,
    *,
    signals: Mapping[str, Signal],
    findings: tuple[Finding, ...],
    errors: tuple[str, ...] = (),
) -> Decision:
    """Return the verdict from what was measured; `decide` without the reading of the prompt."""
    score = signals[policy.economy.score].value if policy.economy.score in signals else 0.0
    threshold = snapshot.economy_threshold
    threshold = policy.economy.threshold if threshold is None else threshold
    floor = max((f.floor for f in findings if f.floor), key=_TIER_ORDER.__getitem__, default=None)
    draft = Decision(
        tier=policy.default_tier,
        ground="default",
        reason="no trigger fired",
        findings=findings,
        score=score,
        threshold=threshold if policy.economy.enabled else None,
        floor=floor,
        errors=errors,
        signals={name: signal.value for name, signal in signals.items()},
        policy_revision=policy.revision,
        price_revision=policy.fleet.prices.revision,
    )
    pinned = _honoured_pin(features, snapshot, policy.fleet, floor)
    if pinned:
        draft = _pinned(draft, pinned, policy.fleet, features)
    else:
        tier, ground, reason = _choose_tier(features, snapshot, policy, draft)
        draft = replace(draft, tier=tier, ground=ground, reason=reason)
    return with_candidates(draft, pinned, features, snapshot, policy)


def _located(finding: Finding, features: Features, policy: Policy) -> Finding:
    """Add the spans that only a fired trigger is worth the price of."""
    if finding.spans:
        return finding
    trigger = next(t for t in policy.triggers if t.id == finding.trigger)
    spans = tuple(
        span
        for name in dict.fromkeys(signal_names(trigger.when))
        if name in finding.because
        for source in policy.sources
        if name.startswith(source.prefix + ".")
        for span in source.locate(name, features)
    )
    return replace(finding, spans=spans)


def _honoured_pin(
    features: Features, snapshot: Snapshot, fleet: Fleet, floor: Tier | None
) -> tuple[str, ...]:
    """Return the pinned deployments the key's contract lets stand."""
    pinned = features.pinned_deployments
    if not pinned or snapshot.rights.rewrite == "rewrite-all":
        return ()
    raised = floor is not None and _TIER_ORDER[fleet.tier_of(pinned[0])] < _TIER_ORDER[floor]
    return () if raised and snapshot.rights.rewrite == "floor-only" else pinned


def _pinned(draft: Decision, pinned: tuple[str, ...], fleet: Fleet, features: Features) -> Decision:
    tier = fleet.tier_of(pinned[0])
    below = draft.floor is not None and _TIER_ORDER[tier] < _TIER_ORDER[draft.floor]
    reason = f"model {ascii_clause(features.model)} asked for by name"
    return replace(draft, tier=tier, ground="pin", reason=reason, below_floor=below)


def _choose_tier(
    features: Features, snapshot: Snapshot, policy: Policy, draft: Decision
) -> tuple[Tier, Ground, str]:
    """Return tier, ground and reason for a request that policy routes; first rule that holds wins."""
    session = snapshot.session
    if draft.floor is not None:
        finding = next(f for f in draft.findings if f.floor == draft.floor)
        return draft.floor, "floor", f"{finding.trigger}: {finding.because}"
    if features.ask.housekeeping is not None:
        return policy.housekeeping_tier, "housekeeping", f"housekeeping call ({features.ask.housekeeping})"
    if features.route_wish in {"base", "premium"}:
        wish: Tier = "premium" if features.route_wish == "premium" else "base"
        return wish, "route_wish", f"caller asked for {wish}"
    if (
        session is not None
        and session.tier == "premium"
        and session.turns_since_escalation < policy.sticky_turns
    ):
        return "premium", "sticky", f"session escalated {session.turns_since_escalation} turns ago"
    if draft.threshold is not None and draft.score >= draft.threshold:
        return "premium", "economy", f"expected gain {draft.score:.2f} >= {draft.threshold:.2f}"
    if draft.threshold is not None and features.ask.text:
        return policy.default_tier, "default", f"expected gain {draft.score:.2f} < {draft.threshold:.2f}"
    return policy.default_tier, "default", "no trigger fired"


def ascii_clause(text: str) -> str:
    """Return at most 80 printable ASCII characters of `text`, fit for a header."""
    return "".join(c if " " <= c <= "~" else "?" for c in text[:80])
