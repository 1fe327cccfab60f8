from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import pytest
from msgspec.structs import replace
from policy_samples import NOW, SMALL_PACK, asking, make_policy

from gateway.stores.economy import EconomyMemory
from gateway.stores.sessions import NEVER_RAISED, next_session
from policies import decide
from policies.economy import (
    WARM_UP,
    Controller,
    advance_controller,
    controlled_threshold,
    corrected_controller,
)
from policies.facts import Features, PromptCache, Session, Snapshot
from policies.verdicts import Decision, Denial, Signal, Span


def run(scores: list[float], target: float, *, floors: float = 0.0, seed: int = 0) -> list[bool]:
    """Send requests of these scores through a controller; a share of them meets a floor."""
    chance = random.Random(seed)  # noqa: S311 - a reproducible simulation
    controller, premium = Controller(), []
    for score in scores:
        threshold = controlled_threshold(controller, target)
        floored = chance.random() < floors
        up = floored or score >= (0.75 if threshold is None else threshold)
        ground = "floor" if floored else "economy" if up else "default"
        decision = Decision(tier="premium" if up else "base", ground=ground, reason="", score=score)
        controller = advance_controller(controller, decision, target)
        premium.append(up)
    return premium


def traffic(seed: int, count: int = 1_700) -> list[float]:
    """Return scores of one source, switched midway to one that scores much higher."""
    chance = random.Random(seed)  # noqa: S311 - a reproducible simulation
    low = [chance.betavariate(2, 8) for _ in range(count // 2)]
    return low + [chance.betavariate(6, 3) for _ in range(count - count // 2)]


@pytest.mark.parametrize("target", [0.05, 0.15, 0.3, 0.6])
@pytest.mark.parametrize("floors", [0.0, 0.04])
@pytest.mark.parametrize("seed", range(3))
def test_share_stays_on_target(target: float, floors: float, seed: int) -> None:
    """Every 500 requests after the first 200 are within three points, across a switch of source."""
    premium = run(traffic(seed), target, floors=floors, seed=seed)

    for start in range(200, len(premium) - 500, 100):
        share = sum(premium[start : start + 500]) / 500
        assert abs(share - target) <= 0.03, (start, share)


def test_says_nothing_before_it_knows() -> None:
    """With too few requests the pack's own threshold stands."""
    controller = Controller()
    for _ in range(WARM_UP - 1):
        decision = Decision(tier="base", ground="default", reason="", score=0.1)
        controller = advance_controller(controller, decision, 0.2)

    assert controlled_threshold(controller, 0.2) is None


def test_floors_use_the_share_up() -> None:
    """When floors alone exceed the target, expected gain lets nobody else through."""
    controller = Controller()
    for _ in range(100):
        controller = advance_controller(controller, Decision(tier="premium", ground="floor", reason=""), 0.2)
    controller = advance_controller(
        controller, Decision(tier="base", ground="default", reason="", score=1.0), 0.2
    )

    threshold = controlled_threshold(controller, 0.2)
    assert threshold is not None
    assert threshold > 1.0


def test_housekeeping_is_no_traffic() -> None:
    """Titles and summaries neither use nor earn premium share."""
    decision = Decision(tier="base", ground="housekeeping", reason="")

    assert advance_controller(Controller(), decision, 0.5) == Controller()


def test_equal_scores_do_not_flood() -> None:
    """A source whose scores are all the same is held to the target on average."""
    premium = run([0.4] * 1_500, 0.2)

    share = sum(premium[200:]) / len(premium[200:])
    assert abs(share - 0.2) <= 0.03


def test_refused_is_no_traffic() -> None:
    """What the policy refuses is served by nobody."""
    refused = Decision(
        tier="premium", ground="default", reason="", denial=Denial(code="unsupported", reason="")
    )

    assert advance_controller(Controller(), refused, 0.5) == Controller()


@pytest.mark.parametrize(
    ("decided", "served", "owed"),
    [("base", "premium", -1.0), ("premium", "base", 1.0), ("base", "base", 0.0)],
)
def test_who_answered_counts(decided: str, served: str, owed: float) -> None:
    """A fallback or a redone answer changes the balance, never what was seen."""
    assert corrected_controller(Controller(), decided, served) == Controller((), owed)


def test_debts_are_bounded() -> None:
    """A premium outage of any length is not followed by a flood."""
    controller = Controller()
    for _ in range(1_000):
        controller = corrected_controller(controller, "premium", "base")

    assert controller.owed == 10.0


class Gain:
    """A signal source whose gain is the ask itself."""

    prefix = "request"
    of_ask = False

    def names(self) -> Collection[str]:
        """Return the one signal."""
        return ("request.declared_impact",)

    def measure(self, features: Features) -> Mapping[str, Signal]:
        """Return the number the ask is."""
        return {"request.declared_impact": Signal(value=float(features.ask.text))}

    def locate(self, name: str, features: Features) -> tuple[Span, ...]:  # noqa: ARG002
        """Return nothing."""
        return ()


NEW = Session(tier="base", turns_since_escalation=NEVER_RAISED)


@dataclass(slots=True)
class Talk:
    """A conversation under way: its own level of gain, its prompt so far, what is remembered of it."""

    gain: float
    tokens: int
    turns: int = 0
    session: Session = NEW

    def after(self, decision: Decision, now: float) -> Session:
        """Return the session once the decided tier has answered, its prompt in that vendor's cache."""
        served = {"premium": "opus", "base": "glm"}[decision.tier]
        session = next_session(self.session, decision) or self.session
        others = (cache for cache in session.caches if cache.deployment != served)
        cache = PromptCache(deployment=served, tokens=self.tokens, until=now + 300)
        return replace(session, caches=(*others, cache))


@dataclass(frozen=True, slots=True, kw_only=True)
class Agents:
    """How a team's agents work: how many at once, how long, on how long prompts."""

    at_once: int
    turns: int
    tokens: int
    growth: int
    steady: float = 0.0
    """The share of turns whose gain is the conversation's own, the rest are drawn anew."""


def converse(agents: Agents, target: float, *, sticky: int, seed: int = 1) -> Iterator[Decision]:
    """Yield the decisions of 1,700 requests, through `decide`; midway the source's gain rises sharply."""
    chance, memory, talks = random.Random(seed), EconomyMemory(), dict[int, Talk]()  # noqa: S311 - reproducible
    pack = SMALL_PACK.replace("sticky_turns: 3", f"sticky_turns: {sticky}")
    pack = pack.replace("threshold: 0.6", f"threshold: 0.6, target_share: {target}")
    policy = replace(make_policy(pack), sources=(Gain(),))
    for number in range(1_700):
        now, shape = NOW + 4 * number, (2, 8) if number < 850 else (6, 3)
        place = chance.randrange(agents.at_once)
        if place not in talks or talks[place].turns == agents.turns:
            talks[place] = Talk(chance.betavariate(*shape), agents.tokens)
        talk = talks[place]
        gain = talk.gain if chance.random() < agents.steady else chance.betavariate(*shape)
        facts = asking(str(gain), input_tokens=talk.tokens * 4 // 3, max_output_tokens=700)
        threshold = memory.threshold("team", target)
        decision = decide(facts, Snapshot(now=now, session=talk.session, economy_threshold=threshold), policy)
        memory.note("team", target, decision)
        talk.session = talk.after(decision, now)
        talk.tokens, talk.turns = talk.tokens + agents.growth, talk.turns + 1
        yield decision


AGENTS = {
    "chats": Agents(at_once=12, turns=12, tokens=15_000, growth=4_000, steady=0.8),
    "long": Agents(at_once=12, turns=40, tokens=30_000, growth=1_500, steady=0.8),
    "few": Agents(at_once=3, turns=60, tokens=60_000, growth=1_000),
    "single": Agents(at_once=1, turns=100, tokens=80_000, growth=500),
}


@pytest.mark.parametrize("target", [0.1, 0.3, 0.6])
@pytest.mark.parametrize(("agents", "sticky"), [("chats", 0), ("long", 3), ("few", 3), ("single", 0)])
def test_share_with_prompt_caches(agents: str, sticky: int, target: float) -> None:
    """Conversations that their prompt caches hold stay on target, too, across a switch of source."""
    decisions = list(converse(AGENTS[agents], target, sticky=sticky))
    premium = [decision.tier == "premium" for decision in decisions]

    assert sum(decision.ground == "cache" for decision in decisions) > 50
    for start in range(200, len(premium) - 500, 20):
        share = sum(premium[start : start + 500]) / 500
        assert abs(share - target) <= 0.03, (start, share)
