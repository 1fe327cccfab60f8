"""Request signals: what the request itself needs and declares (modalities, sizes, declared context)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from policies.facts import Features
from policies.verdicts import Signal, Span

_NAMES = (
    "has_images",
    "has_tools",
    "input_tokens",
    "max_output_tokens",
    "declared_production",
    "declared_impact",
)
_PRODUCTION = frozenset({"prod", "production", "live"})
_IMPACT = {"none": 0.0, "low": 0.25, "medium": 0.5, "high": 0.75, "critical": 1.0}


class RequestSource:
    """Flags as 0 or 1, sizes as they are; a declaration that was not made is not measured."""

    prefix = "request"

    def names(self) -> Collection[str]:
        """Return the names of all request signals."""
        return tuple(f"request.{name}" for name in _NAMES)

    def measure(self, features: Features) -> Mapping[str, Signal]:
        """Return the request's flags and sizes."""
        values = {
            "has_images": float(features.has_images),
            "has_tools": float(features.has_tools),
            "input_tokens": float(features.input_tokens),
        }
        if features.max_output_tokens is not None:
            values["max_output_tokens"] = float(features.max_output_tokens)
        declared = features.declared
        values["declared_production"] = float((declared.environment or "").lower() in _PRODUCTION)
        if declared.impact is not None and declared.impact.lower() in _IMPACT:
            values["declared_impact"] = _IMPACT[declared.impact.lower()]
        return {f"request.{name}": Signal(value=value) for name, value in values.items()}

    def locate(self, name: str, features: Features) -> tuple[Span, ...]:  # noqa: ARG002
        """Return nothing: the request as a whole is meant."""
        return ()
