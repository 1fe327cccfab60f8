"""Quality: how often was this trigger right before, and how surely is that known?"""

from __future__ import annotations

from policies.trigger_validation.base import Case, Check
from policies.validation_rules import Dimension


class QualityValidator:
    """The measured precision of the trigger against the pack's least, once there are enough outcomes."""

    dimension: Dimension = "quality"

    def check(self, case: Case) -> Check:
        """Return pass at or above the least precision, fail when even the interval's top is below it."""
        rules, known = case.policy.validation.quality, case.precision
        if known.sample < rules.least_outcomes:
            reason = f"{known.sample} labelled outcomes, {rules.least_outcomes} needed"
            return Check(dimension="quality", mark="abstain", reason=reason)
        shown = (
            f"precision {known.mean:.2f} ({known.low:.2f} to {known.high:.2f}, {known.sample} outcomes), "
            f"least {rules.least_precision:.2f}"
        )
        if known.mean >= rules.least_precision:
            return Check(dimension="quality", mark="pass", reason=shown)
        if known.high < rules.least_precision:
            return Check(dimension="quality", mark="fail", reason=shown)
        return Check(dimension="quality", mark="abstain", reason=f"{shown}: not told apart yet")
