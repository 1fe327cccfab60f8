from __future__ import annotations

import pytest
from msgspec.structs import replace
from policy_samples import FLEET, GLM, NOW, OPUS, SMALL_PACK, asking, deployment, make_fleet, make_policy

from policies.condition import Compare, Every, Negated, Some
from policies.engine import ascii_clause, decide, fire, judge, measure
from policies.facts import (
    Ask,
    Conversation,
    Declared,
    Features,
    RewriteContract,
    Rights,
    Session,
    Snapshot,
    Tier,
)
from policies.pricing import PriceTable
from policies.verdicts import Finding, Signal, Span

POLICY = make_policy()
SNAPSHOT = Snapshot(now=NOW)
CRITICAL = "Fix the SQL injection in login"
PLAIN = "Write a haiku"


def session(turns: int, tier: Tier = "premium") -> Snapshot:
    """Return the state of a conversation that was at `tier` some turns ago."""
    return Snapshot(now=NOW, session=Session(tier=tier, turns_since_escalation=turns))


def declaring(impact: str, text: str = PLAIN) -> Features:
    """Return an ask whose declared impact is the expected gain."""
    return asking(text, declared=Declared(trusted=True, impact=impact))


@pytest.mark.parametrize(
    ("features", "snapshot", "tier", "ground", "reason"),
    [
        (
            asking(CRITICAL),
            SNAPSHOT,
            "premium",
            "floor",
            "critical_security: lexicon.security 2.00 >= 1.00",
        ),
        (asking(PLAIN), SNAPSHOT, "base", "default", "no trigger fired"),
        (declaring("high"), SNAPSHOT, "premium", "economy", "expected gain 0.75 >= 0.60"),
        (declaring("medium"), SNAPSHOT, "base", "default", "expected gain 0.50 < 0.60"),
        (asking(PLAIN, route_wish="premium"), SNAPSHOT, "premium", "route_wish", "caller asked for premium"),
        (
            replace(declaring("high"), route_wish="base"),
            SNAPSHOT,
            "base",
            "route_wish",
            "caller asked for base",
        ),
        (asking(PLAIN, route_wish="auto"), SNAPSHOT, "base", "default", "no trigger fired"),
        (asking(CRITICAL, route_wish="base"), SNAPSHOT, "premium", "floor", "critical_security: "),
        (asking(PLAIN), session(2), "premium", "sticky", "session escalated within the last 3 turns"),
        (asking(PLAIN), session(3), "base", "default", "no trigger fired"),
        (asking(PLAIN), session(0, "base"), "base", "default", "no trigger fired"),
        (asking(PLAIN, route_wish="base"), session(0), "base", "route_wish", "caller asked for base"),
        (
            asking(PLAIN, model="glm", pinned_deployments=("glm",)),
            SNAPSHOT,
            "base",
            "pin",
            "model glm asked for",
        ),
        (asking(PLAIN, model="opus", pinned_deployments=("opus",)), SNAPSHOT, "premium", "pin", "model opus"),
    ],
)
def test_grounds(features: Features, snapshot: Snapshot, tier: Tier, ground: str, reason: str) -> None:
    """The first ground that holds decides, and says so."""
    decision = decide(features, snapshot, POLICY)

    assert (decision.tier, decision.ground) == (tier, ground)
    assert decision.reason.startswith(reason)
    assert decision.candidates[0].tier == tier
    assert decision.denial is None


@pytest.mark.parametrize("snapshot", [SNAPSHOT, session(0)])
def test_housekeeping(snapshot: Snapshot) -> None:
    """A client's side call stays cheap whatever it says, wishes or follows, and is not measured."""
    ask = Ask(text=CRITICAL, source="housekeeping", housekeeping="title")
    decision = decide(Features(ask=ask, route_wish="premium"), snapshot, POLICY)

    assert (decision.tier, decision.ground) == ("base", "housekeeping")
    assert decision.reason == "housekeeping call (title)"
    assert (decision.signals, decision.findings, decision.errors) == ({}, (), ())


@pytest.mark.parametrize(
    ("contract", "pin", "tier", "ground", "below_floor"),
    [
        ("auto-only", "glm", "base", "pin", True),
        ("auto-only", "opus", "premium", "pin", False),
        ("floor-only", "glm", "premium", "floor", False),
        ("floor-only", "opus", "premium", "pin", False),
        ("rewrite-all", "glm", "premium", "floor", False),
        ("rewrite-all", "opus", "premium", "floor", False),
    ],
)
def test_pins_under_a_floor(
    contract: RewriteContract,
    pin: str,
    tier: Tier,
    ground: str,
    below_floor: bool,  # noqa: FBT001
) -> None:
    """Each contract treats a pin as it says, and a pin below the floor is flagged."""
    snapshot = Snapshot(now=NOW, rights=Rights(rewrite=contract))
    decision = decide(asking(CRITICAL, model=pin, pinned_deployments=(pin,)), snapshot, POLICY)

    assert (decision.tier, decision.ground, decision.below_floor) == (tier, ground, below_floor)
    assert decision.floor == "premium"


@pytest.mark.parametrize(
    ("contract", "tier", "ground"),
    [("auto-only", "premium", "pin"), ("floor-only", "premium", "pin"), ("rewrite-all", "base", "default")],
)
def test_pins_without_a_floor(contract: RewriteContract, tier: Tier, ground: str) -> None:
    """Only `rewrite-all` takes an expensive pin back."""
    snapshot = Snapshot(now=NOW, rights=Rights(rewrite=contract))
    decision = decide(asking(PLAIN, model="opus", pinned_deployments=("opus",)), snapshot, POLICY)

    assert (decision.tier, decision.ground) == (tier, ground)


@pytest.mark.parametrize(
    ("given", "tier", "threshold"),
    [(None, "base", 0.6), (0.5, "premium", 0.5), (0.51, "base", 0.51), (0.0, "premium", 0.0)],
)
def test_controller_threshold(given: float | None, tier: Tier, threshold: float) -> None:
    """The controller's threshold stands before the pack's."""
    decision = decide(declaring("medium"), Snapshot(now=NOW, economy_threshold=given), POLICY)

    assert (decision.tier, decision.threshold, decision.score) == (tier, threshold, 0.5)


def test_no_gain_measured() -> None:
    """Economy says nothing about a request whose gain nobody measured, however low the threshold."""
    decision = decide(asking(PLAIN), Snapshot(now=NOW, economy_threshold=0.0), POLICY)

    assert (decision.tier, decision.threshold, decision.score) == ("base", None, 0.0)


def test_economy_off() -> None:
    """Switched off, gain escalates nothing and no threshold is shown."""
    policy = make_policy(SMALL_PACK, "pack: frugal\neconomy: {enabled: false}")
    decision = decide(declaring("critical"), Snapshot(now=NOW, economy_threshold=0.0), policy)

    assert (decision.tier, decision.threshold, decision.score) == ("base", None, 1.0)


def test_base_floor_never_lowers() -> None:
    """A floor is a least: one at base holds nothing down."""
    policy = make_policy(SMALL_PACK.replace("reason: the ask is routine", "reason: r\n    floor: base"))
    decision = decide(declaring("high", "fix the typo"), SNAPSHOT, policy)

    assert (decision.floor, decision.tier, decision.ground) == ("base", "premium", "economy")


def test_default_tier() -> None:
    """A pack may choose another default and another tier for housekeeping."""
    policy = make_policy(SMALL_PACK, "pack: rich\ndefault_tier: premium\nhousekeeping_tier: premium")
    title = Ask(text="x", housekeeping="title")

    assert decide(asking(PLAIN), SNAPSHOT, policy).tier == "premium"
    assert decide(Features(ask=title), SNAPSHOT, policy).ground == "housekeeping"
    assert decide(Features(ask=title), SNAPSHOT, policy).tier == "premium"


def test_findings() -> None:
    """Every trigger that fired is told, by priority, with its words and places."""
    text = "fix the typo in the password form"
    decision = decide(asking(text), SNAPSHOT, POLICY)

    assert decision.findings == (
        Finding(
            trigger="critical_security",
            kind="security",
            strength=1.0,
            because="lexicon.security 1.00 >= 1.00",
            layer="small",
            floor="premium",
            spans=(Span(start=20, end=28, label="password*"),),
            signals=("lexicon.security",),
        ),
        Finding(
            trigger="small_talk",
            kind="routine",
            strength=1.0,
            because="lexicon.routine 1.00 >= 1.00",
            layer="small",
            spans=(Span(start=8, end=12, label="typo"),),
            signals=("lexicon.routine",),
        ),
    )
    assert decision.signals["lexicon.security"] == 1.0
    assert decision.policy_revision == POLICY.revision
    assert decision.price_revision == "prices-1"


def test_unmeasured_trigger() -> None:
    """A trigger that cannot be told is skipped and reported; one that is refuted anyway is not."""
    pack = """
pack: more
triggers:
  - id: impact_high
    kind: business
    reason: impact
    floor: premium
    when: {signal: request.declared_impact, at_least: 1}
  - id: with_tools
    kind: business
    reason: impact with tools
    when: {all: [{signal: request.declared_impact, at_least: 1}, {signal: request.has_tools, above: 0}]}
"""
    decision = decide(asking(PLAIN), SNAPSHOT, make_policy(SMALL_PACK, pack))

    assert decision.tier == "base"
    assert decision.errors == ("impact_high: request.declared_impact not measured; skipped",)


def test_replayed() -> None:
    """A verdict follows from what was measured, without the prompt."""
    features = asking(CRITICAL)
    findings, errors = fire(POLICY.triggers, measure(features, POLICY))
    values = {name: signal.value for name, signal in measure(features, POLICY).items()}
    blind = judge(asking(""), SNAPSHOT, POLICY, values=values, findings=findings, errors=errors)

    assert blind == decide(features, SNAPSHOT, POLICY)


def test_remembered_ask() -> None:
    """What is remembered of an ask is what its text says, not what else the request brought with it."""
    asks = [
        asking(CRITICAL),
        asking(CRITICAL, conversation=Conversation(reasks=3), has_tools=True, input_tokens=9),
        replace(asking(CRITICAL), ask=Ask(text=CRITICAL, evidence=("+++ b/x.py\ncode",))),
        asking(PLAIN, conversation=Conversation(reasks=3)),
    ]
    fresh = [decide(features, SNAPSHOT, make_policy()) for features in asks]

    assert [decide(features, SNAPSHOT, POLICY) for features in asks * 2] == fresh * 2
    assert len({tuple(sorted(decision.signals.items())) for decision in fresh}) == len(asks)


class Locating:
    """A source that finds places only when asked."""

    prefix = "late"
    of_ask = False

    def names(self) -> tuple[str, ...]:
        """Return both signals."""
        return ("late.hit", "late.hi")

    def measure(self, features: Features) -> dict[str, Signal]:  # noqa: ARG002
        """Return values without places."""
        return {"late.hit": Signal(value=1.0), "late.hi": Signal(value=0.0)}

    def locate(self, name: str, features: Features) -> tuple[Span, ...]:
        """Return the whole ask under the signal's name."""
        return (Span(start=0, end=len(features.ask.text), label=name),)


def test_located_on_demand() -> None:
    """Only the signals that made a trigger fire are asked for their places."""
    hit, near, other = (Compare(name, "at_least", 0.5) for name in ("late.hit", "late.hi", "late.other"))
    trigger = replace(POLICY.triggers[0], when=Some((Every((hit, Negated(near))), other)))
    policy = replace(POLICY, triggers=(trigger,), sources=(Locating(),))
    finding = decide(asking("hello"), SNAPSHOT, policy).findings[0]

    assert [(span.label, span.end) for span in finding.spans] == [("late.hit", 5)]


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("plain", "plain"),
        ("a\r\nb\tc", "a??b?c"),
        ("größe", "gr??e"),
        ("x" * 120, "x" * 120),
        ("x" * 121, "x" * 117 + "..."),
        ("signal 0.73 >= 0.25 " * 9, "signal 0.73 >= 0.25 " * 5 + "signal 0.73 >=..."),
        ("~ !", "~ !"),
    ],
)
def test_ascii_clause(text: str, clause: str) -> None:
    """A clause fits a header: printable ASCII, at most 120 characters, never half a number."""
    assert ascii_clause(text) == clause


def test_header_safe_reason() -> None:
    """Text the client controls reaches the reason only as printable ASCII."""
    fleet = make_fleet(base=(replace(GLM, model_name="glm\r\nx: y"),))
    features = asking(PLAIN, model="glm\r\nx: y", pinned_deployments=("glm",))

    assert decide(features, SNAPSHOT, make_policy(fleet=fleet)).reason == "model glm??x: y asked for by name"


def test_fleet() -> None:
    """A fleet knows its deployments by model name and by tier; one in no tier counts as base."""
    twin = replace(deployment("glm-2", GLM.card.prices[0]), model_name="glm")
    fleet = replace(make_fleet(base=(GLM, twin)), prices=PriceTable(revision="2", cards={}, aliases={}))
    spare = replace(fleet, deployments={**fleet.deployments, "x": deployment("x", None)})

    assert fleet.named("glm") == ("glm", "glm-2")
    assert fleet.named("none") == ()
    assert [spare.tier_of(d) for d in ("glm", "opus", "x")] == ["base", "premium", "base"]
    assert FLEET.tier_of(OPUS.id) == "premium"
