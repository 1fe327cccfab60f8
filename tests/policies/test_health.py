from __future__ import annotations

import pytest

from policies.health import EVENTS, Breaker, BreakerRule, observe, tick
from policies.verdicts import Outcome, OutcomeKind

RULE = BreakerRule(failures=3, window_s=60, cooldown_s=10, longest_s=35)


def after(*steps: tuple[float, OutcomeKind], breaker: Breaker | None = None) -> Breaker:
    """Run a breaker through outcomes at instants, letting time pass before each."""
    current = breaker or Breaker()
    for now_s, kind in steps:
        outcome = Outcome(deployment="d", kind=kind)
        current = observe(tick(current, now_s=now_s), outcome, now_s=now_s, rule=RULE)
    return current


def test_opens_at_threshold() -> None:
    """The third failure within the window opens, not the second."""
    assert after((0, "timeout"), (1, "server_error")).state == "closed"
    assert after((0, "timeout"), (1, "server_error"), (2, "cut_off")).state == "open"


def test_old_failures_are_forgotten() -> None:
    """Failures spread over more than a window never open."""
    assert after((0, "timeout"), (70, "timeout"), (140, "timeout"), (210, "timeout")).state == "closed"


def test_success_forgives() -> None:
    """A good answer starts the count anew."""
    assert after((0, "timeout"), (1, "timeout"), (2, "ok"), (3, "timeout")).failures == 1


def test_rests_then_probes() -> None:
    """An open breaker half-opens after its rest; a good probe closes it."""
    opened = after((0, "timeout"), (0, "timeout"), (0, "timeout"))

    assert tick(opened, now_s=9.9).state == "open"
    assert tick(opened, now_s=10).state == "half_open"
    assert after((11, "ok"), breaker=opened) == Breaker()


def test_failed_probes_rest_longer() -> None:
    """Each failed probe doubles the rest, up to the bound."""
    opened = after((0, "timeout"), (0, "timeout"), (0, "timeout"))
    rests = []
    now_s = 0.0
    for _ in range(3):
        now_s += opened.rest_s
        opened = after((now_s, "timeout"), breaker=opened)
        rests.append(opened.rest_s)

    assert rests == [20, 35, 35]


def test_rate_limit_rests_as_asked() -> None:
    """A 429 rests the deployment for the vendor's own time, and needs no probe after it."""
    outcome = Outcome(deployment="d", kind="rate_limited", retry_after_s=7)

    limited = observe(Breaker(), outcome, now_s=0, rule=RULE)
    assert limited == Breaker(state="limited", since_s=0, rest_s=7)
    assert tick(limited, now_s=6.9) == limited
    assert tick(limited, now_s=7) == Breaker()


def test_rate_limit_without_a_time_is_a_failure() -> None:
    """A 429 that does not say how long counts like any other failure."""
    assert after((0, "rate_limited"), (0, "rate_limited")).failures == 2


@pytest.mark.parametrize("kind", [kind for kind, event in EVENTS.items() if event == "none"])
def test_requests_own_faults_do_not_count(kind: OutcomeKind) -> None:
    """What is wrong with the request says nothing of the deployment."""
    broken = after((0, "timeout"))

    assert after((1, kind), breaker=broken) == broken
