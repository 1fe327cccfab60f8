"""Validates findings in five dimensions. To add one: its file, its line here, its name in `Dimension`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from policies.facts import Features, Snapshot
from policies.policy import Policy
from policies.trigger_validation.base import Assessment, Case, Check, Mark, Validator, Verdict
from policies.trigger_validation.business import BusinessValidator
from policies.trigger_validation.calibration import Calibrated
from policies.trigger_validation.cost_benefit import CostBenefitValidator
from policies.trigger_validation.history import EMPTY, History
from policies.trigger_validation.quality import QualityValidator
from policies.trigger_validation.security import SecurityValidator
from policies.trigger_validation.technical import TechnicalValidator
from policies.validation_rules import Combining, Dimension
from policies.verdicts import Decision

__all__ = ["VALIDATORS", "Assessment", "Calibrated", "Check", "History", "Mark", "Verdict", "validate"]

VALIDATORS: tuple[Validator, ...] = (
    BusinessValidator(),
    TechnicalValidator(),
    CostBenefitValidator(),
    QualityValidator(),
    SecurityValidator(),
)


def validate(
    decision: Decision,
    features: Features,
    snapshot: Snapshot,
    policy: Policy,
    *,
    history: History = EMPTY,
) -> tuple[Assessment, ...]:
    """Return one assessment for every finding of the decision, in its order."""
    rules = policy.validation
    cases = (
        Case(
            finding=finding,
            decision=decision,
            features=features,
            snapshot=snapshot,
            policy=policy,
            precision=history.precision(finding.trigger, rules.quality),
        )
        for finding in decision.findings
    )
    return tuple(_assess(case, rules.combine) for case in cases)


def _assess(case: Case, combine: Mapping[Dimension, Combining]) -> Assessment:
    asked = [v for v in VALIDATORS if combine.get(v.dimension, "ignore") != "ignore"]
    checks = tuple(validator.check(case) for validator in asked)
    verdict, deciding = _combined(checks, combine)
    because = "; ".join(f"{check.dimension}: {check.reason}" for check in deciding)
    return Assessment(
        trigger=case.finding.trigger,
        verdict=verdict,
        because=because or "no dimension objects",
        checks=checks,
        confidence=case.precision,
    )


def _combined(
    checks: Sequence[Check], combine: Mapping[Dimension, Combining]
) -> tuple[Verdict, Sequence[Check]]:
    """Return what the verdicts come to, and those that decided it: a rejection beats a doubt."""
    rejecting = [check for check in checks if _rejects(check, combine[check.dimension])]
    if rejecting:
        return "rejected", rejecting
    doubting = [check for check in checks if check.mark == "fail"]
    return ("doubtful", doubting) if doubting else ("confirmed", ())


def _rejects(check: Check, combining: Combining) -> bool:
    if combining == "required":
        return check.mark != "pass"
    return combining == "veto" and check.mark == "fail"
