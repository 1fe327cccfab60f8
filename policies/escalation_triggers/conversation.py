"""Conversation signals: evidence from how the work has been going, rather than from what is asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from policies.facts import Conversation, Features
from policies.verdicts import Signal, Span

_NAMES = Conversation.__struct_fields__


class ConversationSource:
    """Every count of the conversation under its own name."""

    prefix = "conversation"

    def names(self) -> Collection[str]:
        """Return the names of all counts."""
        return tuple(f"conversation.{name}" for name in _NAMES)

    def measure(self, features: Features) -> Mapping[str, Signal]:
        """Return every count of `features.conversation`."""
        counts = features.conversation
        return {f"conversation.{name}": Signal(value=float(getattr(counts, name))) for name in _NAMES}

    def locate(self, name: str, features: Features) -> tuple[Span, ...]:  # noqa: ARG002
        """Return nothing: counts over many turns have no place in the ask."""
        return ()
