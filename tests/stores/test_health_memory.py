from __future__ import annotations

from gateway.stores.health import PROBE_S, HealthMemory
from policies.health import BreakerRule
from policies.verdicts import Outcome

BAD = Outcome(deployment="glm", kind="timeout")


def opened() -> HealthMemory:
    """Return a memory in which one deployment rests from second 0 to 10."""
    memory = HealthMemory(BreakerRule(failures=1, cooldown_s=10))
    memory.note(BAD, 0.0)
    return memory


def test_open_is_seen_by_all() -> None:
    """While it rests, everybody sees it open."""
    assert [opened().view(5.0) for _ in range(2)] == [{"glm": "open"}] * 2


def test_one_probe_at_a_time() -> None:
    """After the rest one asker may try, the others still stay away."""
    memory = opened()

    assert memory.view(11.0) == {"glm": "half_open"}
    assert memory.view(11.0) == {"glm": "open"}


def test_looking_does_not_forgive() -> None:
    """Failures go on counting however often the health is looked at in between."""
    memory = HealthMemory(BreakerRule(failures=3))
    for _ in range(3):
        memory.note(BAD, 1.0)
        seen = memory.view(1.0)

    assert seen == {"glm": "open"}


def test_lost_probe_is_replaced() -> None:
    """A probe that never reports back does not block the deployment for ever."""
    memory = opened()
    memory.view(11.0)

    assert memory.view(11.1 + PROBE_S) == {"glm": "half_open"}


def test_good_probe_closes() -> None:
    """A good answer makes the deployment healthy, and nothing is kept of it."""
    memory = opened()
    memory.view(11.0)
    memory.note(Outcome(deployment="glm", kind="ok"), 12.0)

    assert memory.view(12.0) == {}
