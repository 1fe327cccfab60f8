"""What validating a finding takes and gives; the protocol of a dimension."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from policies.facts import Features, Snapshot
from policies.policy import Deployment, Policy
from policies.trigger_validation.calibration import Calibrated
from policies.validation_rules import Dimension
from policies.verdicts import Alternative, Decision, Finding

Mark = Literal["pass", "fail", "abstain"]
Verdict = Literal["confirmed", "doubtful", "rejected"]


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One finding with all that its validation may look at."""

    finding: Finding
    decision: Decision
    features: Features
    snapshot: Snapshot
    policy: Policy
    precision: Calibrated
    """How often this trigger was right, as far as outcomes tell."""

    @property
    def premium(self) -> tuple[Deployment, ...]:
        """Return the premium deployments, in order of preference."""
        fleet = self.policy.fleet
        return tuple(fleet.deployments[name] for name in fleet.tiers["premium"])

    @property
    def base_price(self) -> Alternative | None:
        """Return what the first base deployment is expected to cost."""
        return next((a for a in self.decision.alternatives if a.tier == "base"), None)

    @property
    def premium_price(self) -> Alternative | None:
        """Return what the first premium deployment is expected to cost."""
        return next((a for a in self.decision.alternatives if a.tier == "premium"), None)


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One dimension's verdict on a finding, and why."""

    dimension: Dimension
    mark: Mark
    reason: str


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """A validated finding: every dimension's verdict, and what they come to as the pack combines them."""

    trigger: str
    verdict: Verdict
    because: str
    """The dimensions that decided, with their reasons."""
    checks: tuple[Check, ...]
    confidence: Calibrated


class Validator(Protocol):
    """One file: `dimension` and a total, pure `check`."""

    dimension: Dimension

    def check(self, case: Case) -> Check:
        """Return the verdict of this dimension; it abstains where there is nothing to judge by."""
        ...


def settle(dimension: Dimension, failed: list[str], passed: list[str], silent: str) -> Check:
    """Return fail for any failure, pass for anything that passed and nothing failed, else abstain."""
    if failed:
        return Check(dimension=dimension, mark="fail", reason="; ".join(failed))
    if passed:
        return Check(dimension=dimension, mark="pass", reason="; ".join(passed))
    return Check(dimension=dimension, mark="abstain", reason=silent)
