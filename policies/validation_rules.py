"""The rules findings are validated by, as the engine of validation reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

Dimension = Literal["business", "technical", "cost_benefit", "quality", "security"]
Combining = Literal["required", "veto", "advisory", "ignore"]
"""What a dimension's verdict does to a finding: `required` rejects unless it passes, `veto` rejects when it
fails, `advisory` makes it doubtful when it fails, `ignore` is not asked."""

DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """Minutes of the local day `[from_minute, until_minute)` on some days of the week (0 is Monday)."""

    from_minute: int
    until_minute: int
    days: frozenset[int]
    time_zone: str


class BusinessRules(msgspec.Struct, frozen=True, kw_only=True):
    """None where the pack says nothing."""

    teams: frozenset[str] | None = None
    hours: Hours | None = None
    environments: frozenset[str] | None = None
    most_nano_per_request: int | None = None


class TechnicalRules(msgspec.Struct, frozen=True, kw_only=True):
    """`context_share` of the window may be filled by prompt and answer."""

    context_share: float = 1.0
    native_dialect: bool = False


class CostBenefitRules(msgspec.Struct, frozen=True, kw_only=True):
    """None: the pack does not say what a success is worth."""

    value_of_success_nano: int | None = None
    least_return: float = 1.0


class QualityRules(msgspec.Struct, frozen=True, kw_only=True):
    """`interval` is the mass of the interval shown; `prior_weight` counts like so many outcomes."""

    least_precision: float = 0.5
    least_outcomes: int = 20
    interval: float = 0.9
    prior_weight: float = 10.0


_COMBINE: Mapping[Dimension, Combining] = {
    "business": "veto",
    "technical": "veto",
    "cost_benefit": "advisory",
    "quality": "advisory",
    "security": "veto",
}


class ValidationRules(msgspec.Struct, frozen=True, kw_only=True):
    """Everything validation needs of the packs."""

    combine: Mapping[Dimension, Combining] = msgspec.field(default_factory=lambda: dict(_COMBINE))
    business: BusinessRules = BusinessRules()
    technical: TechnicalRules = TechnicalRules()
    cost_benefit: CostBenefitRules = CostBenefitRules()
    quality: QualityRules = QualityRules()
