"""Conversation signals: evidence from how the work has been going, rather than from what is asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from operator import attrgetter

from policies.escalation_triggers.base import FEW, MANY
from policies.escalation_triggers.recall import REMEMBERED_ASKS
from policies.facts import Conversation, Features
from policies.verdicts import Signal, Span

_FIELDS = Conversation.__struct_fields__
_NAMES = tuple(f"conversation.{name}" for name in _FIELDS)
_counts = attrgetter(*_FIELDS)


@lru_cache(REMEMBERED_ASKS)
def _signals(conversation: Conversation) -> Mapping[str, Signal]:
    """Return the signals of six small numbers, of which most requests have the same as some before."""
    counts = zip(_NAMES, _counts(conversation), strict=True)
    return {name: FEW[count] if 0 <= count < MANY else Signal(value=float(count)) for name, count in counts}


class ConversationSource:
    """Every count of the conversation under its own name."""

    prefix = "conversation"
    of_ask = False

    def names(self) -> Collection[str]:
        """Return the names of all counts."""
        return _NAMES

    def measure(self, features: Features) -> Mapping[str, Signal]:
        """Return every count of `features.conversation`."""
        return _signals(features.conversation)

    def locate(self, name: str, features: Features) -> tuple[Span, ...]:  # noqa: ARG002
        """Return nothing: counts over many turns have no place in the ask."""
        return ()
