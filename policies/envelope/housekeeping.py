"""Side calls that agent clients make for themselves, told by their own fixed wording."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from policies.envelope.document import HousekeepingDoc

SYSTEM_HEAD_CHARS = 800
"""A phrase counts only within this much of the system prompt's beginning."""
_HAS_CHARS = 4_000


class Housekeeping:
    """The housekeeping rules of `envelopes.yaml`, in their order."""

    def __init__(self, rules: Sequence[HousekeepingDoc]) -> None:
        self._rules = rules
        self._starts = tuple(start for rule in rules for start in rule.starts)
        self._exactly = frozenset(text for rule in rules for text in rule.exactly)
        self._in_system = lru_cache(maxsize=512)(self._find_in_system)

    def name(self, text: str, *, system_head: str, message_count: int, has_tools: bool) -> str | None:
        """Return the rule that the newest user turn matches as a whole.

        Rules are anchored: at the beginning of the turn (after its envelope) or of the system prompt,
        so a phrase that someone quotes in other work does not count.
        """
        by_system = self._in_system(system_head[:SYSTEM_HEAD_CHARS])
        if not by_system and not text.startswith(self._starts) and text not in self._exactly:
            return None
        for rule in self._rules:
            if rule.tools is not None and rule.tools != has_tools:
                continue
            if (rule.max_messages and message_count > rule.max_messages) or 0 < rule.max_chars < len(text):
                continue
            if (not rule.system or rule in by_system) and _matches(rule, text):
                return rule.name
        return None

    def _find_in_system(self, head: str) -> tuple[HousekeepingDoc, ...]:
        rules = (rule for rule in self._rules if any(phrase in head for phrase in rule.system))
        return tuple(rules)


def _matches(rule: HousekeepingDoc, text: str) -> bool:
    if rule.starts and not text.startswith(tuple(rule.starts)):
        return False
    if rule.exactly and text not in rule.exactly:
        return False
    return all(phrase in text[:_HAS_CHARS] for phrase in rule.has)
