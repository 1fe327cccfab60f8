from __future__ import annotations

import pytest

from gateway.stores.base import AttemptRow
from gateway.stores.sessions import NEVER_RAISED, SessionMemory
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


def served(deployment: str = "opus", *, at_ms: int = 0, **tokens: int) -> AttemptRow:
    """Return a delivered attempt."""
    return AttemptRow(
        id="r.0",
        request_id="r",
        at_ms=at_ms,
        deployment=deployment,
        provider="p",
        model="m",
        tier="premium",
        outcome="ok",
        delivered=True,
        **tokens,
    )


def caches(memory: SessionMemory) -> dict[str, tuple[int, float]]:
    """Return what is remembered of a session's caches: tokens and until when."""
    session = memory.recall("red", "s")
    return {} if session is None else {c.deployment: (c.tokens, c.until) for c in session.caches}


def test_cached_prompts_are_remembered() -> None:
    """Each deployment's newest count stands, reads and writes together, across further turns and raises."""
    memory = SessionMemory()
    memory.note_cache("red", "s", served("glm", cache_read_tokens=7), "base")
    memory.remember("red", "s", decision())
    memory.note_cache("red", "s", served(cache_read_tokens=5, cache_write_5m_tokens=3), "premium")
    memory.note_cache("red", "s", served(at_ms=9000, cache_write_1h_tokens=4), "premium")
    memory.remember("red", "s", decision("base", "default"))
    assert caches(memory) == {"glm": (7, 300.0), "opus": (4, 3609.0)}

    memory.note_cache("red", "s", served(), "premium")
    assert caches(memory) == {"glm": (7, 300.0)}


def test_cache_alone_raises_nobody() -> None:
    """A session known for its cache only does not stick; without cache or name it takes no room."""
    memory = SessionMemory()
    memory.note_cache("red", "s", served(input_tokens=5), "premium")
    memory.note_cache("red", None, served(cache_read_tokens=5), "premium")
    assert memory.recall("red", "s") is None
    memory.note_cache("red", "s", served(cache_read_tokens=5), "premium")
    session = memory.recall("red", "s")
    assert session is not None
    assert session.turns_since_escalation >= NEVER_RAISED
