"""Context signals: measures of the code in the prompt, taken beforehand where a policy asks for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from policies.context_analysis.signals import SIGNAL_NAMES
from policies.facts import Features
from policies.verdicts import Signal, Span


class ContextSource:
    """`context.<measure>`, `.risk_<dimension>`, `.impact_<dimension>`; what is unknown is left out."""

    prefix = "context"
    of_ask = False

    def names(self) -> Collection[str]:
        """Return the names of all measures and ratings."""
        return SIGNAL_NAMES

    def measure(self, features: Features) -> Mapping[str, Signal]:
        """Return the measures that are known."""
        if not features.context:
            return {}
        return {name: Signal(value=value) for name, value in features.context.items()}

    def locate(self, name: str, features: Features) -> tuple[Span, ...]:  # noqa: ARG002
        """Return nothing: the code is evidence and need not stand in the ask."""
        return ()
