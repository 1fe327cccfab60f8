"""The decision: features, state and policy in, a reasoned verdict out. Total, deterministic, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from policies.approval import with_approval
from policies.candidates import with_candidates
from policies.condition import evaluate
from policies.facts import Features, Session, Snapshot, Tier
from policies.measuring import worth_a_look
from policies.origin import NOWHERE
from policies.policy import Economy, Fleet, Policy, Trigger
from policies.switching import with_switch
from policies.verdicts import Decision, Denial, Finding, Ground, Signal

_CLAUSE_CHARS = 120
_SETTING: Mapping[Ground, str] = {
    "economy": "economy.threshold",
    "sticky": "sticky_turns",
    "housekeeping": "housekeeping_tier",
    "default": "default_tier",
}
"""The setting behind each ground that is no trigger's and not the caller's."""
_TIER_ORDER: Mapping[Tier, int] = {"base": 0, "premium": 1}


def decide(features: Features, snapshot: Snapshot, policy: Policy) -> Decision:
    """Return the verdict for one request: tier, ground, reason, findings and ordered candidates."""
    if features.dialect == "embeddings":
        return _unjudged(features, snapshot, policy)
    measured = policy.measuring.measure(features)
    findings, errors = fire(measured.near, measured.signals)
    if findings:
        findings = tuple([_located(finding, features, policy) for finding in findings])
    return judge(features, snapshot, policy, values=measured.values, findings=findings, errors=errors)


def measure(features: Features, policy: Policy) -> dict[str, Signal]:
    """Return every signal of the request; housekeeping calls are not measured."""
    return policy.measuring.measure(features).signals


def fire(
    triggers: Iterable[Trigger], signals: Mapping[str, Signal]
) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Return the findings in order of priority, and what could not be evaluated.

    A trigger whose condition needs a signal nobody measured is skipped and reported; without any
    signals at all (housekeeping) there is nothing to report.
    """
    findings, errors = [], []
    for trigger in worth_a_look(triggers, signals) if signals else ():
        if trigger.when.holds(signals) is False:
            continue
        verdict = evaluate(trigger.when, signals)
        if verdict.matched:
            findings.append(
                Finding(
                    trigger=trigger.id,
                    kind=trigger.kind,
                    strength=verdict.strength,
                    because=verdict.because,
                    layer=trigger.layer,
                    level=trigger.level,
                    floor=trigger.floor,
                    spans=verdict.spans,
                    signals=verdict.signals,
                )
            )
        else:
            errors.append(f"{trigger.id}: {', '.join(verdict.missing)} not measured; skipped")
    return tuple(findings), tuple(errors)


def judge(
    features: Features,
    snapshot: Snapshot,
    policy: Policy,
    *,
    values: Mapping[str, float],
    findings: tuple[Finding, ...],
    errors: tuple[str, ...] = (),
) -> Decision:
    """Return the verdict from the values of the signals; `decide` without the reading of the prompt."""
    gain = values.get(policy.economy.score)
    floor = _floor(findings) if findings else None
    draft = Decision(
        tier=policy.default_tier,
        ground="default",
        reason="no trigger fired",
        findings=findings,
        score=0.0 if gain is None else gain,
        threshold=None if gain is None else _threshold(snapshot, policy.economy),
        floor=floor,
        errors=errors,
        signals=values,
        policy_revision=policy.revision,
        price_revision=policy.fleet.prices.revision,
    )
    pinned = _honoured_pin(features, snapshot, policy.fleet, floor)
    if pinned:
        draft = replace(_pinned(draft, pinned, policy.fleet, features), decided_by="caller")
    else:
        tier, ground, reason = _choose_tier(features, snapshot, policy, draft)
        decided_by = _last_word(ground, draft, policy)  # holding back a switch is the same layer's word
        draft = replace(draft, tier=tier, ground=ground, reason=reason, decided_by=decided_by)
        draft = with_switch(draft, features, snapshot, policy)
    return with_approval(with_candidates(draft, pinned, features, snapshot, policy), features, policy)


def _floor(findings: Iterable[Finding]) -> Tier | None:
    """Return the highest floor that any finding demands."""
    floors = {finding.floor for finding in findings}
    return "premium" if "premium" in floors else "base" if "base" in floors else None


def _unjudged(features: Features, snapshot: Snapshot, policy: Policy) -> Decision:
    """Return the verdict for texts to be embedded: no ask is in them, no model stands for another."""
    fleet, pinned = policy.fleet, features.pinned_deployments
    draft = Decision(
        tier=policy.default_tier,
        ground="pin",
        reason="embeddings are served by the model asked for",
        policy_revision=policy.revision,
        price_revision=fleet.prices.revision,
    )
    if pinned:
        return with_candidates(_pinned(draft, pinned, fleet, features), pinned, features, snapshot, policy)
    reason = (
        f"`{ascii_clause(features.model)}` is routed by policy, which is for chats; name an embedding model"
    )
    return replace(draft, denial=Denial(code="wrong_endpoint", reason=reason))


def _last_word(ground: Ground, draft: Decision, policy: Policy) -> str:
    """Return the layer whose rule decided: the trigger's for a floor, otherwise the setting's."""
    if ground == "floor":
        finding = next(f for f in draft.findings if f.floor == draft.floor)
        return f"{finding.level}/{finding.layer}"
    setting = _SETTING.get(ground)
    if ground == "default" and draft.threshold is not None:
        setting = "economy.threshold"
    return "caller" if setting is None else str(policy.origins.get(setting, NOWHERE))


def _threshold(snapshot: Snapshot, economy: Economy) -> float | None:
    """Return what the gain must reach: the controller's word before the pack's; None when switched off."""
    if not economy.enabled:
        return None
    return economy.threshold if snapshot.economy_threshold is None else snapshot.economy_threshold


def _located(finding: Finding, features: Features, policy: Policy) -> Finding:
    """Add the spans that only a fired trigger is worth the price of."""
    if finding.spans:
        return finding
    spans = tuple(
        span
        for name in finding.signals
        for source in policy.sources
        if name.startswith(f"{source.prefix}.")
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
    if draft.floor is not None and _TIER_ORDER[draft.floor] > _TIER_ORDER["base"]:
        finding = next(f for f in draft.findings if f.floor == draft.floor)
        return draft.floor, "floor", f"{finding.trigger}: {finding.because.partition(' or ')[0]}"
    if features.ask.housekeeping is not None:
        return policy.housekeeping_tier, "housekeeping", f"housekeeping call ({features.ask.housekeeping})"
    if features.route_wish is not None and features.route_wish != "auto":
        return features.route_wish, "route_wish", f"caller asked for {features.route_wish}"
    if _sticks(snapshot.session, policy.sticky_turns):
        return "premium", "sticky", f"session escalated within the last {policy.sticky_turns} turns"
    if draft.threshold is None:
        return policy.default_tier, "default", "no trigger fired"
    if draft.score >= draft.threshold:
        return "premium", "economy", f"expected gain {draft.score:.2f} >= {draft.threshold:.2f}"
    return policy.default_tier, "default", f"expected gain {draft.score:.2f} < {draft.threshold:.2f}"


def _sticks(session: Session | None, turns: int) -> bool:
    return session is not None and session.tier == "premium" and session.turns_since_escalation < turns


def ascii_clause(text: str) -> str:
    """Return at most 120 printable ASCII characters of `text`, cut at a word, fit for a header."""
    if len(text) <= _CLAUSE_CHARS and text.isascii() and text.isprintable():
        return text
    plain = "".join(c if " " <= c <= "~" else "?" for c in text[: _CLAUSE_CHARS + 1])
    if len(plain) <= _CLAUSE_CHARS:
        return plain
    cut = plain[: _CLAUSE_CHARS - len("...")]
    return (cut.rpartition(" ")[0] or cut) + "..."
