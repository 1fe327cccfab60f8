from __future__ import annotations

import pytest

from gateway.stores.sessions import SessionMemory
from policies.facts import Session, Tier
from policies.verdicts import Decision, Ground


def decision(tier: Tier = "premium", ground: Ground = "floor") -> Decision:
    """Return a decision."""
    return Decision(tier=tier, ground=ground, reason="x")


def test_raise_starts_the_count() -> None:
    """An escalation is remembered for its team's session alone, and counts from one."""
    memory = SessionMemory()
    memory.remember("red", "s", decision())
    assert memory.recall("red", "s") == Session(tier="premium", turns_since_escalation=1)
    assert memory.recall("blue", "s") is memory.recall("red", None) is None


def test_turns_are_counted() -> None:
    """Every later turn counts on, and a new escalation starts anew."""
    memory = SessionMemory()
    for ground in ("floor", "sticky", "default"):
        memory.remember("red", "s", decision(ground=ground))  # type: ignore[arg-type]
    assert memory.recall("red", "s") == Session(tier="premium", turns_since_escalation=3)
    memory.remember("red", "s", decision())
    assert memory.recall("red", "s") == Session(tier="premium", turns_since_escalation=1)


@pytest.mark.parametrize("ground", ["default", "pin", "guard"])
def test_what_is_not_remembered(ground: Ground) -> None:
    """A session that was never raised takes no room."""
    memory = SessionMemory()
    memory.remember("red", "s", decision("base", ground))
    memory.remember("red", None, decision())
    assert memory.recall("red", "s") is None


def test_housekeeping_is_no_turn() -> None:
    """A client's side call does not count."""
    memory = SessionMemory()
    memory.remember("red", "s", decision())
    memory.remember("red", "s", decision("base", "housekeeping"))
    assert memory.recall("red", "s") == Session(tier="premium", turns_since_escalation=1)


def test_memory_is_bounded() -> None:
    """The session that was used longest ago is forgotten first."""
    memory = SessionMemory(most=2)
    for session in ("a", "b", "a", "c"):
        memory.remember("red", session, decision())
    assert [memory.recall("red", s) is not None for s in "abc"] == [True, False, True]
