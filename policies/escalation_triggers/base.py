"""What a signal source is: it measures facts about a request and gives them names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from policies.facts import Features
from policies.verdicts import Signal, Span

MANY = 64
FEW = tuple(Signal(value=float(count)) for count in range(MANY))
"""The signals of small counts and of flags: most are, and a signal can be shared."""


class SignalSource(Protocol):
    """One file of measurements; `measure` is total, bounded in time, and never raises."""

    prefix: str
    """The part of every signal name before the first dot."""
    of_ask: bool
    """Whether all it measures follows from the ask, its text and what was pasted with it."""

    def names(self) -> Collection[str]:
        """Return every signal name this source can report."""
        ...

    def measure(self, features: Features) -> Mapping[str, Signal]:
        """Return the signals by full name; one left out was not measurable."""
        ...

    def locate(self, name: str, features: Features) -> tuple[Span, ...]:
        """Return where a signal was seen, when `measure` left that out because it costs extra."""
        ...
