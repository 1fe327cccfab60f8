from __future__ import annotations

import random

import pytest

from policies.economy import WARM_UP, Controller, advance_controller, controlled_threshold
from policies.verdicts import Decision


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
