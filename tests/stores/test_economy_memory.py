from __future__ import annotations

from gateway.stores.economy import EconomyMemory
from policies.economy import WARM_UP
from policies.verdicts import Decision

DECISION = Decision(tier="base", ground="default", reason="", score=0.2)


def test_no_target_no_threshold() -> None:
    """A team without a target keeps its pack's threshold."""
    memory = EconomyMemory()
    for _ in range(WARM_UP):
        memory.note("a", None, DECISION)

    assert memory.threshold("a", None) is None


def test_teams_are_kept_apart() -> None:
    """What one team sends moves its own threshold alone."""
    memory = EconomyMemory()
    for _ in range(WARM_UP):
        memory.note("a", 0.5, DECISION)

    assert memory.threshold("a", 0.5) is not None
    assert memory.threshold("b", 0.5) is None
