"""Which deployments may serve a decided request: ordered, guarded, priced; or the reason why none can."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime

from policies.facts import Features, Snapshot
from policies.policy import Deployment, Policy
from policies.pricing import Price, Usage, cost_nano, worst_case_nano
from policies.verdicts import Alternative, Candidate, Decision, Denial, Dropped

_CONTEXT_SAFETY = (3, 4)
"""`input_tokens` is an upper bound; three quarters of it is still above what real text needs, and a
vendor that overflows all the same is an outcome the plan knows."""


def with_candidates(
    draft: Decision, pinned: tuple[str, ...], features: Features, snapshot: Snapshot, policy: Policy
) -> Decision:
    """Add the ordered candidates, what was dropped, the alternatives' prices, or the denial."""
    fleet = policy.fleet
    day = _price_day(snapshot)
    candidates: list[Candidate] = []
    dropped: list[Dropped] = []
    for deployment_id in _ordered(draft, pinned, policy):
        deployment = fleet.deployments[deployment_id]
        tier = fleet.tier_of(deployment_id)
        reason = _obstacle(deployment, features, snapshot)
        price = deployment.card.price_on(day)
        if reason is None and price is not None:
            worst = _worst_case(features, deployment, price)
            candidates.append(Candidate(deployment=deployment_id, tier=tier, worst_case_nano=worst))
        else:
            dropped.append(Dropped(deployment=deployment_id, tier=tier, reason=reason or "no price in force"))
    decision = replace(
        draft,
        candidates=tuple(candidates),
        dropped=tuple(dropped),
        alternatives=tuple(_alternatives(features, policy, day)),
    )
    if not candidates:
        return replace(decision, denial=_denial(dropped))
    if candidates[0].tier != draft.tier:
        return replace(
            decision, tier=candidates[0].tier, ground="guard", reason=f"{draft.tier}: {dropped[0].reason}"
        )
    return decision


def _ordered(draft: Decision, pinned: tuple[str, ...], policy: Policy) -> tuple[str, ...]:
    """Return deployment ids in the order they may be tried, without repeats."""
    fleet, rule = policy.fleet, policy.fallback
    if pinned:
        name = fleet.deployments[pinned[0]].model_name
        return tuple(dict.fromkeys((*pinned, *fleet.fallbacks.get(name, ()))))
    base, premium = fleet.tiers["base"], fleet.tiers["premium"]
    if draft.tier == "base":
        return (*base, *(premium if rule.base_to_premium else ()))
    may_fall = rule.floor_may_fall if draft.floor == "premium" else rule.premium_to_base
    return (*premium, *(base if may_fall else ()))


def _obstacle(deployment: Deployment, features: Features, snapshot: Snapshot) -> str | None:
    """Return why a deployment cannot serve this request now, None when it can."""
    card, rights = deployment.card, snapshot.rights
    needed = features.input_tokens * _CONTEXT_SAFETY[0] // _CONTEXT_SAFETY[1]
    if rights.allowed_models is not None and deployment.model_name not in rights.allowed_models:
        return f"{deployment.model_name} is not allowed for this key"
    if snapshot.health.get(deployment.id) == "open":
        return f"{deployment.model_name} is cooling down after failures"
    if features.has_images and not card.images:
        return f"{deployment.model_name} takes no images"
    if features.has_tools and not card.tools:
        return f"{deployment.model_name} takes no tools"
    if needed > card.context_window:
        return f"{needed} tokens exceed the context window of {deployment.model_name} ({card.context_window})"
    return None


def _denial(dropped: list[Dropped]) -> Denial:
    """Return the refusal that tells the caller most, from why everything was dropped."""
    reasons = "; ".join(dict.fromkeys(d.reason for d in dropped)) or "no deployment is configured"
    if any("context window" in d.reason for d in dropped):
        return Denial(code="context_length_exceeded", reason=reasons)
    if any("takes no" in d.reason for d in dropped):
        return Denial(code="unsupported", reason=reasons)
    if any("not allowed" in d.reason for d in dropped):
        return Denial(code="policy_denied", reason=reasons)
    return Denial(code="no_deployment", reason=reasons)


def _worst_case(features: Features, deployment: Deployment, price: Price) -> int:
    limit = deployment.card.max_output_tokens
    output = limit if features.max_output_tokens is None else min(features.max_output_tokens, limit)
    return worst_case_nano(
        input_tokens=features.input_tokens, output_tokens=output * features.choices, price=price
    )


def _alternatives(features: Features, policy: Policy, day: date) -> Iterable[Alternative]:
    expected = policy.economy.expected_output_tokens
    if features.max_output_tokens is not None:
        expected = min(expected, features.max_output_tokens)
    usage = Usage(input_tokens=features.input_tokens * 3 // 4, output_tokens=expected * features.choices)
    for tier in ("base", "premium"):
        for deployment_id in policy.fleet.tiers[tier]:
            price = policy.fleet.deployments[deployment_id].card.price_on(day)
            amount = None if price is None else cost_nano(usage, price)
            yield Alternative(deployment=deployment_id, tier=tier, expected_nano=amount)


def _price_day(snapshot: Snapshot) -> date:
    return datetime.fromtimestamp(snapshot.now, UTC).date()
