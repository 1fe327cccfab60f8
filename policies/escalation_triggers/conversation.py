"""Conversation signals: evidence from how the work has been going, rather than from what is asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from operator import attrgetter

from policies.facts import Conversation, Features
from policies.verdicts import Signal, Span

_COUNTS = {f"conversation.{name}": attrgetter(name) for name in Conversation.__struct_fields__}


class ConversationSource:
    """Every count of the conversation under its own name."""

    prefix = "conversation"

    def names(self) -> Collection[str]:
        """Return the names of all counts."""
        return _COUNTS.keys()

    def measure(self, features: Features) -> Mapping[str, Signal]:
        """Return every count of `features.conversation`."""
        counts = features.conversation
        return {name: Signal(value=float(count(counts))) for name, count in _COUNTS.items()}

    def locate(self, name: str, features: Features) -> tuple[Span, ...]:  # noqa: ARG002
        """Return nothing: counts over many turns have no place in the ask."""
        return ()
