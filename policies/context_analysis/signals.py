"""The analysis as signals, so that a pack's triggers can test it like anything else that is measured."""

from __future__ import annotations

from collections.abc import Mapping

from policies.context_analysis.ratings import measured, ratings
from policies.context_analysis.report import ContextReport, Impact, Risk
from policies.context_analysis.rules import MEASURES
from policies.verdicts import Signal

_COUNTS = (*MEASURES, "classes", "coverage")
SIGNAL_NAMES: tuple[str, ...] = (
    *(f"context.{name}" for name in _COUNTS),
    *(f"context.risk_{name}" for name in Risk.__struct_fields__),
    *(f"context.impact_{name}" for name in Impact.__struct_fields__),
)
"""Every name `context_signals` can report."""


def context_signals(report: ContextReport, impact: Impact, risk: Risk) -> Mapping[str, Signal]:
    """Return the known measures and ratings by signal name; what is unknown is left out."""
    values = {f"context.{name}": measured(report, name) for name in _COUNTS}
    for prefix, rated in (("risk", risk), ("impact", impact)):
        values |= {f"context.{prefix}_{name}": rating.score for name, rating in ratings(rated)}
    return {name: Signal(value=float(value)) for name, value in values.items() if value is not None}
