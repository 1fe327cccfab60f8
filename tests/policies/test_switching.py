from __future__ import annotations

import pytest
from policy_samples import GLM, NOW, OPUS, SMALL_PACK, asking, deployment, make_fleet, make_policy

from policies import decide
from policies.facts import Declared, PromptCache, Session, Snapshot, Tier
from policies.policy import Fleet
from policies.verdicts import Decision, Ground

BRIEF = SMALL_PACK.replace("sticky_turns: 3", "sticky_turns: 1")
GAIN = {"low": 0.25, "medium": 0.5, "high": 0.75}
CRITICAL = "Fix the SQL injection in login"


def decided(  # noqa: PLR0913 - one per fact
    here: Tier,
    impact: str,
    *caches: tuple[str, int],
    text: str = "Write a haiku",
    pack: str = BRIEF,
    age_s: float = 0,
    prompt: int = 100_000,
    fleet: Fleet | None = None,
    **facts: object,
) -> Decision:
    """Return the decision in a conversation at `here` whose prompts are cached; the declared impact is its gain."""
    held = tuple(PromptCache(deployment=d, tokens=tokens, until=NOW + 300 - age_s) for d, tokens in caches)
    session = Session(tier=here, turns_since_escalation=50, caches=held)
    declared = Declared(trusted=True, impact=impact)
    features = asking(text, declared=declared, input_tokens=prompt, max_output_tokens=700, **facts)
    policy = make_policy(pack) if fleet is None else make_policy(pack, fleet=fleet)
    return decide(features, Snapshot(now=NOW, session=session), policy)


@pytest.mark.parametrize(
    ("here", "impact", "caches", "tier", "ground"),
    [
        # up: 40 000 tokens at 15 - 1.5 USD a million are dear beside what premium usually costs more
        ("base", "high", (), "premium", "economy"),
        ("base", "high", (("glm", 40_000),), "base", "cache"),
        ("base", "high", (("glm", 100),), "premium", "economy"),
        ("base", "high", (("glm", 40_000), ("opus", 40_000)), "premium", "economy"),
        ("base", "high", (("opus", 40_000),), "premium", "economy"),
        ("base", "medium", (("glm", 40_000),), "base", "default"),
        # down: what GLM's cold prompt costs more eats a part of what it saves
        ("premium", "medium", (), "base", "default"),
        ("premium", "medium", (("opus", 90_000),), "premium", "cache"),
        ("premium", "low", (("opus", 40_000),), "base", "default"),
        ("premium", "medium", (("opus", 100),), "base", "default"),
        ("premium", "medium", (("opus", 90_000), ("glm", 90_000)), "base", "default"),
        ("premium", "high", (("opus", 40_000),), "premium", "economy"),
    ],
)
def test_switch_must_be_worth_it(
    here: Tier, impact: str, caches: tuple[tuple[str, int], ...], tier: Tier, ground: Ground
) -> None:
    """A conversation moves for gain only when that outweighs the cache it loses, in either direction."""
    decision = decided(here, impact, *caches)
    assert (decision.tier, decision.ground) == (tier, ground)
    assert (decision.candidates[0].tier, decision.denial) == (tier, None)


def test_price_of_a_switch() -> None:
    """The lost tokens cost what plain input costs above a cache read where they go, and the reason says so."""
    decision = decided("base", "high", ("glm", 40_000))
    assert decision.switch is not None
    assert (decision.switch.lost_tokens, decision.switch.extra_nano) == (40_000, 540_000_000)
    bar = decision.switch.bar
    assert decision.reason == (
        f"expected gain 0.75 < {bar:.2f}, too low to move: 40000 cached tokens would be lost ($0.5400)"
    )
    assert decision.decided_by == "organisation/small"


def test_worthy_switch_is_shown() -> None:
    """A switch that is made shows what it loses, too."""
    decision = decided("premium", "low", ("opus", 40_000))
    assert decision.switch is not None
    assert decision.switch.extra_nano == 19_600_000
    assert GAIN["low"] < decision.switch.bar < 0.6


def test_long_stay_spreads_the_price() -> None:
    """The more turns an escalated session stays, the less a switch weighs on each."""
    bars = [
        decision.switch.bar
        for turns in (1, 3, 30)
        if (
            decision := decided(
                "base", "high", ("glm", 40_000), pack=SMALL_PACK.replace("turns: 3", f"turns: {turns}")
            )
        ).switch
    ]
    assert bars == sorted(bars, reverse=True)
    assert len(set(bars)) == 3


@pytest.mark.parametrize(
    ("facts", "ground"),
    [
        ({"text": CRITICAL}, "floor"),
        ({"route_wish": "premium"}, "route_wish"),
        ({"pinned_deployments": ("opus",), "model": "opus"}, "pin"),
    ],
)
def test_only_gain_is_held(facts: dict[str, object], ground: Ground) -> None:
    """A floor, a wish or a pin moves at once, whatever it loses."""
    decision = decided("base", "high", ("glm", 90_000), **facts)  # type: ignore[arg-type]
    assert (decision.tier, decision.ground, decision.switch) == ("premium", ground, None)


@pytest.mark.parametrize(
    "how",
    [
        {"age_s": 301},
        {"prompt": 60},
        {"fleet": make_fleet(premium=(deployment("new", None), OPUS))},
        {"fleet": make_fleet(base=(deployment("cold", GLM.card.prices[0]),))},
    ],
)
def test_nothing_to_lose(how: dict[str, object]) -> None:
    """A cache that is stale, of a longer prompt, unpriced or of another tier's deployment holds nobody."""
    decision = decided("base", "high", ("glm", 40_000), **how)  # type: ignore[arg-type]
    assert decision.ground == "economy"


def test_switched_off_economy_holds_nothing() -> None:
    """Where gain does not decide there is nothing to weigh."""
    off = BRIEF.replace("{score:", "{enabled: false, score:")
    assert decided("premium", "medium", ("opus", 90_000), pack=off).ground == "default"
