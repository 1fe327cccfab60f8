"""`decide` over anything: it never raises, never wavers, and never breaks a floor."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from policies import PackText, decide, load_pack
from policies.envelope import Envelopes
from policies.facts import (
    Ask,
    BudgetView,
    Conversation,
    Declared,
    Features,
    Rights,
    Session,
    Snapshot,
)
from policies.pack import Library
from policies.policy import Deployment, Fallback, Fleet, Policy
from policies.pricing import ModelCard, Price, PriceTable
from policies.verdicts import Decision

PACK = """
pack: all
lexicons:
  security: [{term: sql injection, weight: 0.3}, {term: password*, weight: 0.1}, jwt, "/cve-[0-9]+/"]
  routine: [{term: typo, weight: 0.7}]
triggers:
  - {id: a, kind: k, reason: r, floor: premium, priority: 1, when: {signal: lexicon.security, at_least: 0.3}}
  - {id: b, kind: k, reason: r, floor: base, priority: 2, when: {not: {signal: lexicon.routine, below: 0.7}}}
  - {id: c, kind: k, reason: r, floor: premium, when: {signal: conversation.repeated_error, above: 2}}
  - {id: d, kind: k, reason: r, when: {any: [{signal: request.declared_production, above: 0},
      {all: [{signal: structure.files_named, above: 1}, {signal: request.max_output_tokens, at_most: 10}]}]}}
economy: {score: request.declared_impact, threshold: 0.6}
sticky_turns: 2
"""


def deployment(name: str, tokens: int, *, images: bool) -> Deployment:
    """Return a priced deployment."""
    price = Price(since=date(2025, 1, 1), input=Decimal("0.6"), output=Decimal("2.2"))
    card = ModelCard(
        name=name, context_window=tokens, max_output_tokens=4_096, images=images, prices=(price,)
    )
    return Deployment(id=name, model_name=name, provider="p", model=name, dialects=("chat",), card=card)


FLEET = Fleet(
    deployments={
        "glm": deployment("glm", 100_000, images=False),
        "glm-2": deployment("glm-2", 8_000, images=True),
        "opus": deployment("opus", 200_000, images=True),
    },
    tiers={"base": ("glm", "glm-2"), "premium": ("opus",)},
    fallbacks={"opus": ("glm",), "glm": ("opus", "glm-2")},
    prices=PriceTable(revision="1", cards={}, aliases={}),
)
LIBRARY = Library(envelopes=Envelopes.compile({"clients": []}), detector=None)
POLICY = load_pack([PackText("all.yaml", PACK)], library=LIBRARY, fleet=FLEET)
SHUFFLED = replace(POLICY, sources=POLICY.sources[::-1])

COUNTS = st.integers(0, 10)
WORDS = st.lists(
    st.sampled_from(
        ("sql injection", "password", "JWT", "CVE-12", "typo", "not", "a.py", "b/c.go", '"', "\n")
    )
    | st.text(max_size=8),
    max_size=12,
).map(" ".join)
FEATURES = st.builds(
    Features,
    ask=st.builds(
        Ask,
        text=WORDS,
        housekeeping=st.none() | st.just("title"),
        evidence=st.lists(st.text(max_size=30), max_size=3).map(tuple),
    ),
    model=st.text(max_size=10),
    pinned_deployments=st.sampled_from(((), ("glm",), ("opus",), ("glm-2", "glm"))),
    route_wish=st.sampled_from((None, "premium", "base", "auto")),
    input_tokens=st.integers(0, 500_000),
    max_output_tokens=st.none() | st.integers(-10, 10**9),
    choices=st.integers(-1, 4),
    has_images=st.booleans(),
    has_tools=st.booleans(),
    conversation=st.builds(Conversation, repeated_error=COUNTS, reasks=COUNTS),
    declared=st.builds(
        Declared,
        trusted=st.booleans(),
        environment=st.none() | st.sampled_from(("prod", "dev")),
        impact=st.none() | st.sampled_from(("low", "high", "critical", "?")),
    ),
)
SNAPSHOTS = st.builds(
    Snapshot,
    now=st.sampled_from((0.0, 1_790_000_000.0)),
    seed=st.integers(0, 2**32 - 1),
    rights=st.builds(
        Rights,
        rewrite=st.sampled_from(("auto-only", "floor-only", "rewrite-all")),
        allowed_models=st.none() | st.frozensets(st.sampled_from(("glm", "glm-2", "opus"))),
    ),
    health=st.dictionaries(
        st.sampled_from(("glm", "glm-2", "opus", "gone")),
        st.sampled_from(("closed", "half_open", "open", "limited")),
    ),
    budgets=st.just((BudgetView(scope="team:x", limit_nano=1, spent_nano=2, reserved_nano=3),)),
    session=st.none()
    | st.builds(Session, tier=st.sampled_from(("base", "premium")), turns_since_escalation=COUNTS),
    economy_threshold=st.none() | st.floats(),
)
POLICIES = st.builds(
    lambda fallback, tier, turns: replace(POLICY, fallback=fallback, default_tier=tier, sticky_turns=turns),
    st.builds(
        Fallback, base_to_premium=st.booleans(), premium_to_base=st.booleans(), floor_may_fall=st.booleans()
    ),
    st.sampled_from(("base", "premium")),
    COUNTS,
)


@given(FEATURES, SNAPSHOTS, POLICIES)
def test_total(features: Features, snapshot: Snapshot, policy: Policy) -> None:
    """Any facts give a decision: somewhere to go at a known price, or a refusal that says why."""
    decision = decide(features, snapshot, policy)

    assert (decision.denial is None) == bool(decision.candidates)
    assert decision.denial is None or decision.denial.reason
    assert decision.reason
    assert all(c.worst_case_nano >= 0 for c in decision.candidates)
    assert not decision.candidates or decision.candidates[0].tier == decision.tier


@given(FEATURES, SNAPSHOTS, POLICIES)
def test_deterministic(features: Features, snapshot: Snapshot, policy: Policy) -> None:
    """The same facts give the same decision, in every detail."""
    assert decide(features, snapshot, policy) == decide(features, snapshot, policy)


@given(FEATURES, SNAPSHOTS)
def test_order_of_sources(features: Features, snapshot: Snapshot) -> None:
    """The order in which sources are asked changes nothing."""
    assert decide(features, snapshot, SHUFFLED) == decide(features, snapshot, POLICY)


@given(FEATURES, SNAPSHOTS, POLICIES, st.permutations(POLICY.triggers))
def test_order_of_triggers(
    features: Features, snapshot: Snapshot, policy: Policy, triggers: list[object]
) -> None:
    """Where triggers stand changes no verdict, only the order in which findings are told."""
    shuffled = replace(policy, triggers=tuple(triggers))

    assert _verdict(decide(features, snapshot, shuffled)) == _verdict(decide(features, snapshot, policy))


@given(FEATURES, SNAPSHOTS, POLICIES)
def test_floor_holds(features: Features, snapshot: Snapshot, policy: Policy) -> None:
    """Below a premium floor nothing runs, unless the policy or a pin says so, and then it is flagged."""
    decision = decide(features, snapshot, policy)
    pinned_below = decision.ground != "floor" and features.pinned_deployments not in {(), ("opus",)}

    if decision.floor == "premium" and decision.candidates:
        assert decision.below_floor == (decision.tier == "base")
        if any(candidate.tier == "base" for candidate in decision.candidates):
            assert policy.fallback.floor_may_fall or pinned_below


@given(FEATURES, SNAPSHOTS, POLICIES)
def test_guards_hold(features: Features, snapshot: Snapshot, policy: Policy) -> None:
    """No candidate is ruled out by the key, a limit, the images or the window; the resting come only alone."""
    allowed = snapshot.rights.allowed_models
    candidates = decide(features, snapshot, policy).candidates
    resting = [snapshot.health.get(candidate.deployment) == "open" for candidate in candidates]
    assert all(resting) or not any(resting)
    for candidate in candidates:
        card = FLEET.deployments[candidate.deployment].card
        assert allowed is None or candidate.deployment in allowed
        assert snapshot.health.get(candidate.deployment) != "limited"
        assert card.images or not features.has_images
        assert features.input_tokens * 3 // 4 <= card.context_window


@given(FEATURES, SNAPSHOTS)
def test_spans(features: Features, snapshot: Snapshot) -> None:
    """Every span lies within the ask."""
    for finding in decide(features, snapshot, POLICY).findings:
        for span in finding.spans:
            assert 0 <= span.start < span.end <= len(features.ask.text)


def _verdict(decision: Decision) -> tuple[object, ...]:
    findings = sorted(finding.trigger for finding in decision.findings)
    return (decision.tier, decision.ground, decision.floor, decision.candidates, decision.denial, findings)
