"""Signs that an answer was not good enough, read from what its conversation did next."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from policies.facts import Conversation, Tier
from policies.trigger_validation.history import SeenKind
from policies.verdicts import Decision, Ground

FRESH_S = 1_800.0
"""What comes later than this after an answer says nothing of it."""
REPEATED_ERRORS = 3
BROKEN_CALLS = 2
MOST_REGENERATIONS = 2
"""An ask that comes more often than this is a machine's, not someone's who is not content."""
CHOSEN: frozenset[Ground] = frozenset({"economy", "default", "floor", "sticky", "cache"})
"""Grounds on which policy, and not the caller, chose the tier."""


class Glimpse(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of an answered request until the next one of its conversation."""

    decision_id: str
    request_id: str
    decided_ms: int
    tier: Tier
    """Where it was answered."""
    chosen: bool
    """Policy chose the tier."""
    wants_premium: bool
    """The caller asked for premium, by name or by route."""
    ask: int
    """Hash of the ask: tells equal asks from different ones within one process."""
    messages: int
    reasks: int
    stuck: bool
    """The conversation shows a loop of tool errors."""
    began_s: float
    ended_s: float
    repeats: int = 0
    """How often in a row the same ask was sent before this time."""


def asked_for_premium(decision: Decision) -> bool:
    """Tell whether the caller, and not policy, sent a request to premium."""
    return decision.tier == "premium" and decision.ground in {"pin", "route_wish"}


def is_stuck(talk: Conversation) -> bool:
    """Tell whether a conversation shows a loop of tool errors."""
    return talk.repeated_error >= REPEATED_ERRORS or talk.broken_tool_calls >= BROKEN_CALLS


def after(before: Glimpse, now: Glimpse) -> Glimpse:
    """Return `now` with its place in a row of equal asks."""
    return msgspec.structs.replace(now, repeats=before.repeats + 1) if _again(before, now) else now


def signs(before: Glimpse, now: Glimpse) -> Sequence[SeenKind]:
    """Return what the request `now` says of the answer before it in the same conversation."""
    if not 0.0 <= now.began_s - before.ended_s <= FRESH_S:
        return ()
    seen: list[SeenKind] = []
    if _again(before, now):
        if before.repeats < MOST_REGENERATIONS:
            seen.append("regenerate")
    elif now.reasks and not same_ask(before, now):
        seen.append("reask")
    if now.wants_premium and before.chosen and before.tier == "base":
        seen.append("manual_upgrade")
    if now.stuck and not before.stuck:
        seen.append("tool_error_loop")
    return seen


def same_ask(before: Glimpse, now: Glimpse) -> bool:
    """Tell whether both requests worked on one ask; further turns of tools may lie between them."""
    return now.ask == before.ask


def _again(before: Glimpse, now: Glimpse) -> bool:
    return same_ask(before, now) and now.messages == before.messages
