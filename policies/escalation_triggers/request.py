"""Request signals: what the request itself needs and declares (modalities, sizes, declared context)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from policies.escalation_triggers.base import FEW
from policies.facts import Declared, Features
from policies.verdicts import Signal, Span

_NAMES = (
    "has_images",
    "has_tools",
    "input_tokens",
    "max_output_tokens",
    "declared_production",
    "declared_impact",
    "declared_revenue_impact",
    "declared_customer_impact",
)
_PRODUCTION = frozenset({"prod", "production", "live"})
_IMPACT = {"none": 0.0, "low": 0.25, "medium": 0.5, "high": 0.75, "critical": 1.0}


class RequestSource:
    """Flags as 0 or 1, sizes as they are; what no trusted key declares is not measured."""

    prefix = "request"
    of_ask = False

    def names(self) -> Collection[str]:
        """Return the names of all request signals."""
        return tuple(f"request.{name}" for name in _NAMES)

    def measure(self, features: Features) -> Mapping[str, Signal]:
        """Return the request's flags and sizes."""
        signals = {
            "request.has_images": FEW[features.has_images],
            "request.has_tools": FEW[features.has_tools],
            "request.input_tokens": Signal(value=float(features.input_tokens)),
        }
        if features.max_output_tokens is not None:
            signals["request.max_output_tokens"] = Signal(value=float(features.max_output_tokens))
        if not features.declared.trusted:
            signals["request.declared_production"] = FEW[False]
            return signals
        declared = _declared(features.declared)
        return signals | {f"request.{name}": Signal(value=value) for name, value in declared.items()}

    def locate(self, name: str, features: Features) -> tuple[Span, ...]:  # noqa: ARG002
        """Return nothing: the request as a whole is meant."""
        return ()


def _declared(declared: Declared) -> Mapping[str, float]:
    """Return what a trusted key declares; `declared_impact` is the greatest of the impacts."""
    said = {
        "declared_impact": declared.impact,
        "declared_revenue_impact": declared.revenue_impact,
        "declared_customer_impact": declared.customer_impact,
    }
    impacts = {name: _IMPACT[s.lower()] for name, s in said.items() if s is not None and s.lower() in _IMPACT}
    if impacts:
        impacts["declared_impact"] = max(impacts.values())
    return impacts | {"declared_production": float((declared.environment or "").lower() in _PRODUCTION)}
