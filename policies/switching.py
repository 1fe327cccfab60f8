"""The cost of a switch: a conversation that changes tiers pays for the prompt cache it leaves behind."""

from __future__ import annotations

from msgspec.structs import replace

from policies.candidates import output_tokens, price_day, prompt_tokens
from policies.facts import Features, Session, Snapshot, Tier
from policies.policy import Deployment, Policy
from policies.pricing import Price, Usage, cost_nano, usd
from policies.verdicts import Decision, Switch


def with_switch(draft: Decision, features: Features, snapshot: Snapshot, policy: Policy) -> Decision:
    """Hold a decision by gain at the conversation's tier where moving is not worth the lost cache.

    The threshold is the gain that is worth what premium usually costs more. Going up costs the cache on
    top, so the gain must reach more by that share, spread over the turns the session stays; going down
    saves that much less, so the gain must be lower by that share. Floors and other grounds are never held.
    """
    session = snapshot.session
    up = draft.ground == "economy"
    if session is None or not session.caches or draft.tier == session.tier:
        return draft
    if not up and not (draft.ground == "default" and draft.tier == "base"):
        return draft
    switch = _switch(draft, features, snapshot, policy)
    if switch is None:
        return draft
    worth = draft.score >= switch.bar if up else draft.score < switch.bar
    if worth:
        return replace(draft, switch=switch)
    comparison = f"{draft.score:.2f} {'<' if up else '>='} {switch.bar:.2f}"
    price = f"{switch.lost_tokens} cached tokens would be lost (${usd(switch.extra_nano):.4f})"
    reason = f"expected gain {comparison}, too {'low' if up else 'high'} to move: {price}"
    return replace(draft, switch=switch, tier=session.tier, ground="cache", reason=reason)


def _switch(draft: Decision, features: Features, snapshot: Snapshot, policy: Policy) -> Switch | None:
    """Return the switch from the session's tier to the drafted one; None where nothing is lost or priced."""
    session, threshold, target = snapshot.session, draft.threshold, _first(policy, draft.tier)
    if session is None or threshold is None or target is None:
        return None
    left = max((_held(session, d, snapshot.now) for d in policy.fleet.tiers[session.tier]), default=0)
    kept = min(left, prompt_tokens(features))
    lost = kept - _held(session, target.id, snapshot.now)
    warm = {tier: _expected(tier, kept, features, snapshot, policy) for tier in ("base", "premium")}
    price, base, premium = _price(target, snapshot), warm["base"], warm["premium"]
    if lost <= 0 or price is None or base is None or premium is None:
        return None
    cold, read = (
        cost_nano(usage, price) for usage in (Usage(input_tokens=lost), Usage(cache_read_tokens=lost))
    )
    extra = cold - read
    if extra <= 0:
        return None
    turns = max(1, policy.sticky_turns) if draft.tier == "premium" else 1
    share = extra / max(1, (premium - base) * turns)
    bar = threshold * (1 + share if draft.tier == "premium" else max(0.0, 1 - share))
    return Switch(lost_tokens=lost, extra_nano=extra, bar=bar)


def _expected(tier: Tier, cached: int, features: Features, snapshot: Snapshot, policy: Policy) -> int | None:
    """Return what the request is expected to cost in a tier that holds the cache, nano-USD."""
    deployment = _first(policy, tier)
    price = None if deployment is None else _price(deployment, snapshot)
    if price is None:
        return None
    usage = Usage(
        input_tokens=prompt_tokens(features) - cached,
        cache_read_tokens=cached,
        output_tokens=output_tokens(features, policy.economy.expected_output_tokens),
    )
    return cost_nano(usage, price)


def _first(policy: Policy, tier: Tier) -> Deployment | None:
    ids = policy.fleet.tiers[tier]
    return policy.fleet.deployments[ids[0]] if ids else None


def _price(deployment: Deployment, snapshot: Snapshot) -> Price | None:
    return deployment.card.price_on(price_day(snapshot))


def _held(session: Session, deployment: str, now: float) -> int:
    return next((c.tokens for c in session.caches if c.deployment == deployment and c.until > now), 0)
