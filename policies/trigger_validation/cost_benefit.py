"""Cost and benefit: is the expected gain, times what a success is worth, above the extra cost?"""

from __future__ import annotations

from policies.pricing import usd
from policies.trigger_validation.base import Case, Check
from policies.validation_rules import Dimension


class CostBenefitValidator:
    """The economy's own score as the gain, the pack's value of a success, the fleet's prices of today."""

    dimension: Dimension = "cost_benefit"

    def check(self, case: Case) -> Check:
        """Return pass or fail by expected return; abstain where gain, value or a price is unknown."""
        rules = case.policy.validation.cost_benefit
        value = rules.value_of_success_nano
        if value is None:
            return _abstain("the pack does not say what a success is worth")
        gain = case.decision.signals.get(case.policy.economy.score)
        if gain is None:
            return _abstain(f"{case.policy.economy.score} was not measured")
        extra = _extra_nano(case)
        if extra is None:
            return _abstain("a price is not known")
        benefit = round(gain * value)
        enough = benefit >= rules.least_return * extra
        reason = (
            f"gain {gain:.2f} x ${usd(value):f} = ${usd(benefit):.6f} "
            f"{'covers' if enough else 'does not cover'} {rules.least_return:g} x ${usd(extra):.6f} extra"
        )
        return Check(dimension="cost_benefit", mark="pass" if enough else "fail", reason=reason)


def _extra_nano(case: Case) -> int | None:
    base, premium = case.base_price, case.premium_price
    if base is None or premium is None or base.expected_nano is None or premium.expected_nano is None:
        return None
    return premium.expected_nano - base.expected_nano


def _abstain(reason: str) -> Check:
    return Check(dimension="cost_benefit", mark="abstain", reason=reason)
