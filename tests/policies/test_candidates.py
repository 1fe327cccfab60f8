from __future__ import annotations

import pytest
from msgspec.structs import replace
from policy_samples import (
    GLM,
    GLM_PRICE,
    NOW,
    OPUS,
    OPUS_PRICE,
    SMALL_PACK,
    asking,
    deployment,
    make_fleet,
    make_policy,
)

from policies.engine import decide
from policies.facts import Features, Rights, Snapshot
from policies.policy import Deployment, Fleet
from policies.verdicts import Alternative, Candidate, Decision, Dropped

SNAPSHOT = Snapshot(now=NOW)
CRITICAL = "Fix the SQL injection in login"
PLAIN = "Write a haiku"
GLM2, OPUS2 = deployment("glm2", GLM_PRICE), deployment("opus2", OPUS_PRICE, images=True)
LARGE = make_fleet(
    base=(GLM, GLM2), premium=(OPUS, OPUS2), fallbacks={"opus": ("glm", "opus2"), "glm": ("opus",)}
)


def decided(features: Features, *rules: str, fleet: Fleet = LARGE, snapshot: Snapshot = SNAPSHOT) -> Decision:
    """Return the decision under the small pack and the given fallback rules."""
    extra = f"pack: extra\nfallback: {{{', '.join(rules)}}}"
    return decide(features, snapshot, make_policy(SMALL_PACK, extra, fleet=fleet))


def order(decision: Decision) -> list[str]:
    """Return the candidates' deployments in order."""
    return [candidate.deployment for candidate in decision.candidates]


@pytest.mark.parametrize(
    ("text", "rules", "expected"),
    [
        (PLAIN, (), ["glm", "glm2", "opus", "opus2"]),
        (PLAIN, ("base_to_premium: false",), ["glm", "glm2"]),
        (CRITICAL, (), ["opus", "opus2"]),
        (CRITICAL, ("floor_may_fall: true",), ["opus", "opus2", "glm", "glm2"]),
        (CRITICAL, ("floor_may_fall: true", "premium_to_base: false"), ["opus", "opus2", "glm", "glm2"]),
        (CRITICAL, ("premium_to_base: false",), ["opus", "opus2"]),
    ],
)
def test_order(text: str, rules: tuple[str, ...], expected: list[str]) -> None:
    """The decided tier first, the other one only where the policy lets the request move."""
    assert order(decided(asking(text), *rules)) == expected


@pytest.mark.parametrize(("rule", "expected"), [((), 4), (("premium_to_base: false",), 2)])
def test_wished_premium_may_fall(rule: tuple[str, ...], expected: int) -> None:
    """Premium without a floor may fall to base unless the policy says no."""
    assert len(order(decided(asking(PLAIN, route_wish="premium"), *rule))) == expected


@pytest.mark.parametrize(
    ("text", "pin", "rules", "expected"),
    [
        (PLAIN, "opus", (), ["opus", "glm", "opus2"]),
        (PLAIN, "glm", (), ["glm", "opus"]),
        (PLAIN, "glm2", (), ["glm2"]),
        (CRITICAL, "opus", (), ["opus", "opus2"]),
        (CRITICAL, "opus", ("floor_may_fall: true",), ["opus", "glm", "opus2"]),
        (CRITICAL, "glm", (), ["glm", "opus"]),
    ],
)
def test_pinned_order(text: str, pin: str, rules: tuple[str, ...], expected: list[str]) -> None:
    """A pin goes to its own fallbacks only, and under a floor never to one below it."""
    assert order(decided(asking(text, model=pin, pinned_deployments=(pin,)), *rules)) == expected


@pytest.mark.parametrize(
    ("features", "snapshot", "reason", "code"),
    [
        (asking(PLAIN, has_images=True), SNAPSHOT, "glm takes no images", "unsupported"),
        (
            asking(PLAIN, input_tokens=180_000),
            SNAPSHOT,
            "135000 tokens exceed the context window of glm (131072)",
            "context_length_exceeded",
        ),
        (
            asking(PLAIN),
            Snapshot(now=NOW, health={"glm": "limited"}),
            "glm is limiting our requests",
            "rate_limited",
        ),
        (
            asking(PLAIN),
            Snapshot(now=NOW, rights=Rights(allowed_models=frozenset({"opus"}))),
            "glm is not allowed for this key",
            "policy_denied",
        ),
        (asking(PLAIN), Snapshot(now=1_750_000_000.0), "glm has no price", "no_deployment"),
    ],
)
def test_guards(features: Features, snapshot: Snapshot, reason: str, code: str) -> None:
    """What a deployment cannot do moves the request up, and denies it where nothing else is left."""
    listed = replace(OPUS.card, prices=(replace(OPUS_PRICE, since=GLM_PRICE.since.replace(year=2020)),))
    fleet = make_fleet(premium=(replace(OPUS, card=listed),))
    moved = decided(features, fleet=fleet, snapshot=snapshot)
    denied = decided(features, "base_to_premium: false", fleet=fleet, snapshot=snapshot)

    assert (moved.tier, moved.ground, moved.reason) == ("premium", "guard", f"base: {reason}")
    assert moved.dropped == (Dropped(deployment="glm", tier="base", reason=reason),)
    assert denied.candidates == ()
    assert denied.denial is not None
    assert (denied.denial.code, denied.denial.reason) == (code, reason)


def test_tools_guard() -> None:
    """A deployment without tools is dropped for a request that has them."""
    fleet = make_fleet(base=(deployment("plain", GLM_PRICE, tools=False),))

    assert decided(asking(PLAIN, has_tools=True), fleet=fleet).reason == "base: plain takes no tools"
    assert decided(asking(PLAIN), fleet=fleet).tier == "base"


@pytest.mark.parametrize(("tokens", "fits"), [(174_763, True), (174_764, False)])
def test_context_boundary(tokens: int, fits: bool) -> None:  # noqa: FBT001
    """Three quarters of the bound must fit the window, to the token."""
    assert (decided(asking(PLAIN, input_tokens=tokens)).tier == "base") is fits


@pytest.mark.parametrize("state", ["closed", "half_open"])
def test_probing(state: str) -> None:
    """A deployment that is being tried again is a candidate."""
    snapshot = Snapshot(now=NOW, health={"glm": state})  # type: ignore[dict-item]

    assert order(decided(asking(PLAIN), snapshot=snapshot))[0] == "glm"


@pytest.mark.parametrize(
    ("features", "snapshot", "code"),
    [
        (
            asking(PLAIN, input_tokens=180_000),
            Snapshot(now=NOW, health={"opus": "limited"}),
            "rate_limited",
        ),
        (
            asking(PLAIN, input_tokens=180_000),
            Snapshot(now=NOW, rights=Rights(allowed_models=frozenset({"glm"}))),
            "context_length_exceeded",
        ),
        (
            asking(PLAIN, has_images=True),
            Snapshot(now=NOW, rights=Rights(allowed_models=frozenset({"glm"}))),
            "unsupported",
        ),
        (
            asking(PLAIN, has_images=True),
            Snapshot(now=NOW, health={"glm": "limited"}, rights=Rights(allowed_models=frozenset({"glm"}))),
            "unsupported",
        ),
        (
            asking(PLAIN),
            Snapshot(now=NOW, rights=Rights(allowed_models=frozenset())),
            "policy_denied",
        ),
    ],
)
def test_mixed_denials(features: Features, snapshot: Snapshot, code: str) -> None:
    """A denial is for good only when no deployment that could serve is merely resting."""
    denial = decided(features, fleet=make_fleet(), snapshot=snapshot).denial

    assert denial is not None
    assert denial.code == code


@pytest.mark.parametrize(
    ("base", "premium", "text", "expected"),
    [
        ((GLM,), (), PLAIN, "base"),
        ((), (OPUS,), PLAIN, "premium"),
        ((GLM,), (), CRITICAL, None),
        ((), (), PLAIN, None),
    ],
)
def test_missing_tier(
    base: tuple[Deployment, ...], premium: tuple[Deployment, ...], text: str, expected: str | None
) -> None:
    """A fleet without one of the tiers still decides: it moves where it may, or says what is missing."""
    decision = decided(asking(text), fleet=make_fleet(base=base, premium=premium))

    if expected is None:
        assert decision.denial is not None
        assert decision.denial.reason == "no deployment is configured for this tier"
    else:
        assert decision.tier == expected
        assert decision.ground == "default" or decision.reason == "base: no deployment in this tier"


def test_resting_is_tried_last() -> None:
    """A resting deployment is left out while another can serve, and tried when nobody else is left."""
    one_rests = decided(asking(PLAIN), snapshot=Snapshot(now=NOW, health={"glm": "open"}))
    all_rest = decided(
        asking(PLAIN), fleet=make_fleet(), snapshot=Snapshot(now=NOW, health={"glm": "open", "opus": "open"})
    )

    assert "glm" not in order(one_rests)
    assert ("glm", "glm is cooling down after failures") in [
        (d.deployment, d.reason) for d in one_rests.dropped
    ]
    assert order(all_rest) == ["glm", "opus"]


def test_fall_below_floor() -> None:
    """Where a floor may fall, falling at once is flagged."""
    snapshot = Snapshot(now=NOW, health={"opus": "open", "opus2": "open"})
    decision = decided(asking(CRITICAL), "floor_may_fall: true", snapshot=snapshot)

    assert (decision.tier, decision.ground, decision.below_floor) == ("base", "guard", True)
    assert decision.reason == "premium: opus is cooling down after failures"


def test_pin_moved_up() -> None:
    """A pin below the floor that an obstacle moves up is below nothing any more."""
    features = asking(CRITICAL, model="glm", pinned_deployments=("glm",), has_images=True)
    decision = decided(features)

    assert (order(decision), decision.tier, decision.below_floor) == (["opus"], "premium", False)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, 1_000 * 600 + 8_000 * 2_200),
        ({"max_output_tokens": 100}, 1_000 * 600 + 100 * 2_200),
        ({"max_output_tokens": 10**9}, 1_000 * 600 + 8_000 * 2_200),
        ({"max_output_tokens": 100, "choices": 3}, 1_000 * 600 + 300 * 2_200),
        ({"max_output_tokens": -5, "choices": 0}, 1_000 * 600),
    ],
)
def test_worst_case(facts: dict[str, int], expected: int) -> None:
    """What is reserved covers every answer at its longest, and is never negative."""
    decision = decided(asking(PLAIN, **facts), fleet=make_fleet())

    assert decision.candidates[0] == Candidate(deployment="glm", tier="base", worst_case_nano=expected)


def test_worst_case_of_cached_input() -> None:
    """The dearest way to send input is what is reserved: an hour in Opus's cache."""
    decision = decided(asking(CRITICAL, max_output_tokens=10))

    assert decision.candidates[0].worst_case_nano == 1_000 * 30_000 + 10 * 75_000


def test_alternatives() -> None:
    """Every deployment of both tiers is priced for the expected answer, also those that cannot serve."""
    fleet = make_fleet(base=(GLM, deployment("free", None)))
    decision = decided(asking(PLAIN, input_tokens=4_000, max_output_tokens=100), fleet=fleet)

    assert decision.alternatives == (
        Alternative(deployment="glm", tier="base", expected_nano=3_000 * 600 + 100 * 2_200),
        Alternative(deployment="free", tier="base", expected_nano=None),
        Alternative(deployment="opus", tier="premium", expected_nano=3_000 * 15_000 + 100 * 75_000),
    )
    assert decided(asking(PLAIN, input_tokens=0)).alternatives[0].expected_nano == 700 * 2_200
