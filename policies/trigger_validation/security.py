"""Security: may the providers of the premium tier see this class of data?"""

from __future__ import annotations

from policies.trigger_validation.base import Case, Check, settle
from policies.validation_rules import Dimension


class SecurityValidator:
    """The declared data class against the providers the pack allows for it."""

    dimension: Dimension = "security"

    def check(self, case: Case) -> Check:
        """Return fail when any premium deployment that could be called must not see the data."""
        rules, declared = case.policy.validation.security, case.features.declared.data_class
        if not rules.providers:
            return settle("security", [], [], "the pack has no rule for data classes")
        data_class = rules.undeclared if declared is None else declared.casefold()
        if data_class is None:
            return settle("security", [], [], "no data class is declared")
        allowed = rules.providers.get(data_class)
        if allowed is None:  # what nobody thought of is not sent anywhere
            return settle("security", [f"the pack does not know data class `{data_class[:40]}`"], [], "")
        providers = _providers(case)
        barred = [p for p in providers if p.casefold() not in allowed]
        failed = [f"{provider} may not see data class `{data_class}`" for provider in barred]
        passed = [f"{', '.join(providers)} may see data class `{data_class}`"] if providers else []
        return settle("security", failed, passed, "no premium deployment is configured")


def _providers(case: Case) -> tuple[str, ...]:
    """Return the providers of the premium candidates, or of the whole tier where none is a candidate."""
    fleet = case.policy.fleet
    candidates = [c.deployment for c in case.decision.candidates if c.tier == "premium"]
    chosen = [fleet.deployments[name] for name in candidates] or case.premium
    return tuple(dict.fromkeys(deployment.provider for deployment in chosen))
