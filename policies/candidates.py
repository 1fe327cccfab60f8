"""Which deployments may serve a decided request: ordered, guarded, priced; or the reason why none can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache

from msgspec.structs import replace

from policies.data_guard import Applied, applied_classes, refusal
from policies.facts import Features, Snapshot
from policies.policy import Deployment, Fallback, Policy, Way
from policies.pricing import Price, Usage, cost_nano, worst_case_nano
from policies.verdicts import Alternative, Candidate, Decision, Denial, DenialCode, Dropped

_REAL_SHARE = (3, 4)
"""`input_tokens` is an upper bound; three quarters of it is still above what real text needs, and a
vendor that overflows all the same is an outcome the plan knows."""

_MISUSED = {
    True: "{} only embeds; send its texts to /v1/embeddings",
    False: "{} serves no embeddings; name a model that does, see /v1/models",
}
"""What a caller is told, by whether the model embeds."""
_TELLING: Sequence[DenialCode] = (
    "no_deployment",
    "rate_limited",
    "context_length_exceeded",
    "unsupported",
    "wrong_endpoint",
    "policy_denied",
)
"""Denial codes by how much they tell the caller of a request that met several obstacles."""
_EPOCH, _DAY_S = date(1970, 1, 1).toordinal(), 86_400


def with_candidates(
    draft: Decision, pinned: tuple[str, ...], features: Features, snapshot: Snapshot, policy: Policy
) -> Decision:
    """Add the ordered candidates, what was dropped, the alternatives' prices, or the denial."""
    prices, health = policy.fleet.prices_on(price_day(snapshot)), snapshot.health
    candidates: list[Candidate] = []
    resting: list[Candidate] = []
    dropped: list[Dropped] = []
    obstacles: list[Denial] = []
    applied = applied_classes(policy.data_classes, features) if policy.data_classes else ()
    for deployment, tier in _way(draft, pinned, policy):
        name, price = deployment.id, prices[deployment.id]
        obstacle = _obstacle(deployment, features, snapshot, applied)
        if obstacle is None and price is not None:
            output = output_tokens(features, deployment.card.max_output_tokens)
            worst = worst_case_nano(input_tokens=features.input_tokens, output_tokens=output, price=price)
            candidate = Candidate(deployment=name, tier=tier, worst_case_nano=worst)
            if not health or health.get(name) != "open":
                candidates.append(candidate)
                continue
            resting.append(candidate)
            reason, guard = f"{deployment.model_name} is cooling down after failures", ""
        else:
            obstacle = obstacle or Denial(
                code="no_deployment", reason=f"{deployment.model_name} has no price"
            )
            obstacles.append(obstacle)
            reason, guard = obstacle.reason, obstacle.guard
        dropped.append(Dropped(deployment=name, tier=tier, reason=reason, guard=guard))
    candidates = candidates or resting  # trying a resting one beats refusing when nobody else is left
    decision = replace(
        draft,
        candidates=tuple(candidates),
        dropped=tuple(dropped),
        alternatives=() if features.dialect == "embeddings" else _alternatives(features, policy, prices),
        data_classes=tuple([f"{a.data_class.name} ({a.because})" for a in applied]),
    )
    if not candidates:
        return replace(decision, denial=_denial(obstacles))
    return decision if candidates[0].tier == draft.tier else _moved(decision)


def refreshed(made: Decision, features: Features, snapshot: Snapshot, policy: Policy) -> Decision:
    """Return a decision made earlier over the deployments that may serve it now, at today's prices.

    Tier, ground and findings stand. What was agreed to also bounds it: where a person approved an amount,
    deployments that may cost more are left out.
    """
    pinned = tuple(d for d in features.pinned_deployments if made.ground == "pin")
    decision = with_candidates(replace(made, denial=None), pinned, features, snapshot, policy)
    need = made.approval
    if need is None or decision.denial is not None:
        return decision
    within = tuple(c for c in decision.candidates if c.worst_case_nano <= need.worst_case_nano)
    if within:
        return replace(decision, candidates=within)
    denial = Denial(code="policy_denied", reason="prices rose above the amount that was approved")
    return replace(decision, candidates=(), denial=denial)


def _moved(decision: Decision) -> Decision:
    """Return the decision at the tier that can serve it, saying what stood in the way of the one chosen."""
    tier, wanted = decision.candidates[0].tier, decision.tier
    first = next((d for d in decision.dropped if d.tier == wanted), None)
    reason, guard = (first.reason, first.guard) if first else ("no deployment in this tier", "")
    return replace(
        decision,
        tier=tier,
        ground="guard",
        reason=f"{wanted}: {reason}",
        decided_by=guard,
        below_floor=decision.floor == "premium" and tier == "base",
    )


def _way(draft: Decision, pinned: tuple[str, ...], policy: Policy) -> Way:
    """Return the deployments in the order they may be tried, without repeats."""
    crossing = (draft.tier, draft.floor, pinned)
    known = policy.ways.get(crossing)
    if known is None:
        fleet, own = policy.fleet, policy.fleet.tiers[draft.tier]
        known = policy.ways[crossing] = tuple(
            (fleet.deployments[d], draft.tier if d in own else fleet.tier_of(d))
            for d in _ordered(draft, pinned, policy)
        )
    return known


def _ordered(draft: Decision, pinned: tuple[str, ...], policy: Policy) -> Sequence[str]:
    """Return deployment ids in the order they may be tried, without repeats."""
    fleet = policy.fleet
    if pinned:
        others = fleet.fallbacks.get(fleet.deployments[pinned[0]].model_name, ())
    else:
        pinned = fleet.tiers[draft.tier]
        others = fleet.tiers["base" if draft.tier == "premium" else "premium"]
        others = others if _may_move(draft, policy.fallback) else ()
    order = tuple(dict.fromkeys((*pinned, *others)))
    if draft.tier == draft.floor == "premium" and not policy.fallback.floor_may_fall:
        return tuple(d for d in order if fleet.tier_of(d) == "premium")
    return order


def _may_move(draft: Decision, rule: Fallback) -> bool:
    """Tell whether a request that policy routes may run in the other tier when its own is gone."""
    if draft.tier == "base":
        return rule.base_to_premium
    return rule.floor_may_fall if draft.floor == "premium" else rule.premium_to_base


def _forbidden(deployment: Deployment, applied: Sequence[Applied]) -> Denial | None:
    """Return why the request's data must not reach a deployment; says classes and kinds, never the data."""
    refused = refusal(applied, deployment.provider, (deployment.id, deployment.model_name))
    if refused is None:
        return None
    return Denial(code="policy_denied", reason=refused.reason, guard=refused.guard)


def _obstacle(
    deployment: Deployment, features: Features, snapshot: Snapshot, applied: Sequence[Applied] = ()
) -> Denial | None:
    """Return why a deployment cannot serve this request, what will not pass first; None when it can."""
    card, name, allowed = deployment.card, deployment.model_name, snapshot.rights.allowed_models
    if applied and (forbidden := _forbidden(deployment, applied)):
        return forbidden
    if allowed is not None and name not in allowed:
        return Denial(code="policy_denied", reason=f"{name} is not allowed for this key")
    if (features.dialect == "embeddings") != card.embeds:
        return Denial(code="wrong_endpoint", reason=_MISUSED[card.embeds].format(name))
    if features.has_images and not card.images:
        return Denial(code="unsupported", reason=f"{name} takes no images")
    if features.has_tools and not card.tools:
        return Denial(code="unsupported", reason=f"{name} takes no tools")
    needed = prompt_tokens(features)
    if needed > card.context_window and not card.embeds:  # a window there is each text's, not the batch's
        reason = f"{needed} tokens exceed the context window of {name} ({card.context_window})"
        return Denial(code="context_length_exceeded", reason=reason)
    if snapshot.health and snapshot.health.get(deployment.id) == "limited":
        wait_s = snapshot.rests_s.get(deployment.id)
        return Denial(code="rate_limited", reason=f"{name} is limiting our requests", retry_after_s=wait_s)
    return None


def why_not(deployment: Deployment, features: Features, snapshot: Snapshot) -> str | None:
    """Return why a deployment cannot serve this request; None when it can."""
    obstacle = _obstacle(deployment, features, snapshot)
    return None if obstacle is None else obstacle.reason


def prompt_tokens(features: Features) -> int:
    """Return the prompt's tokens as they are reckoned with where an upper bound would mislead."""
    return features.input_tokens * _REAL_SHARE[0] // _REAL_SHARE[1]


def _denial(obstacles: Sequence[Denial]) -> Denial:
    """Return the refusal that tells the caller most: what may pass by itself before what will not."""
    if not obstacles:
        return Denial(code="no_deployment", reason="no deployment is configured for this tier")
    reasons = "; ".join(dict.fromkeys(obstacle.reason for obstacle in obstacles))
    code = min((o.code for o in obstacles), key=_TELLING.index)
    waits = [o.retry_after_s for o in obstacles if o.retry_after_s is not None]
    guard = next((o.guard for o in obstacles if o.guard), "")
    return Denial(code=code, reason=reasons, retry_after_s=min(waits, default=None), guard=guard)


def shortened(
    candidate: Candidate, tokens: int, *, features: Features, snapshot: Snapshot, deployment: Deployment
) -> Candidate | None:
    """Return the candidate with its worst case if answers end by `tokens`; None if that is no less."""
    price = deployment.card.price_on(price_day(snapshot))
    if price is None or features.max_output_tokens is not None or tokens >= deployment.card.max_output_tokens:
        return None
    output = tokens * max(1, features.choices)
    amount = worst_case_nano(input_tokens=features.input_tokens, output_tokens=output, price=price)
    return replace(candidate, worst_case_nano=amount)


def output_tokens(features: Features, at_most: int) -> int:
    """Return the tokens of all answers together, each cut at `at_most` and at the client's own limit."""
    limit = features.max_output_tokens
    each = at_most if limit is None or limit > at_most else max(0, limit)
    return each * features.choices if features.choices > 1 else each


def _alternatives(
    features: Features, policy: Policy, prices: Mapping[str, Price | None]
) -> tuple[Alternative, ...]:
    """Return what every deployment of both tiers is expected to cost."""
    usage = Usage(
        input_tokens=prompt_tokens(features),
        output_tokens=output_tokens(features, policy.economy.expected_output_tokens),
    )
    return tuple(
        [
            Alternative(
                deployment=deployment,
                tier=tier,
                expected_nano=None if (price := prices[deployment]) is None else cost_nano(usage, price),
            )
            for deployment, tier in policy.fleet.listed
        ]
    )


def price_day(snapshot: Snapshot) -> date:
    """Return the day (UTC) whose prices are in force."""
    return _day(snapshot.now // _DAY_S)


@lru_cache(maxsize=8)
def _day(number: float) -> date:
    return date.fromordinal(_EPOCH + int(number))
