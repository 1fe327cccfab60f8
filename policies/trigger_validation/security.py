"""Security: may any premium deployment see this class of data?"""

from __future__ import annotations

from policies.data_guard import Applied, applied_classes, refusal
from policies.policy import Deployment
from policies.trigger_validation.base import Case, Check, settle
from policies.validation_rules import Dimension


class SecurityValidator:
    """The classes of data the request holds or declares, against whom the pack lets receive them."""

    dimension: Dimension = "security"

    def check(self, case: Case) -> Check:
        """Return pass with the first premium deployment that may receive the data, fail where none may."""
        classes = case.policy.data_classes
        if not classes:
            return settle("security", [], [], "the pack names no classes of data")
        applied = applied_classes(classes, case.features)
        if not applied:
            return settle("security", [], [], "no class of data applies")
        reasons = [_refusal(deployment, applied) for deployment in case.premium]
        served = [d.model_name for d, reason in zip(case.premium, reasons, strict=True) if reason is None]
        names = ", ".join(each.data_class.name for each in applied)
        passed = [f"{name} may receive data of class {names}" for name in served[:1]]
        failed = [] if served else [reason for reason in reasons if reason is not None]
        return settle("security", failed, passed, "no premium deployment is configured")


def _refusal(deployment: Deployment, applied: tuple[Applied, ...]) -> str | None:
    refused = refusal(applied, deployment.provider, (deployment.id, deployment.model_name))
    return None if refused is None else refused.reason
