"""Technical constraints: is there a premium deployment that can really serve this request now?"""

from __future__ import annotations

from policies.candidates import prompt_tokens, why_not
from policies.policy import Deployment
from policies.trigger_validation.base import Case, Check, settle
from policies.validation_rules import Dimension


class TechnicalValidator:
    """Context window, modality, health and dialect of each premium deployment; one that serves is enough."""

    dimension: Dimension = "technical"

    def check(self, case: Case) -> Check:
        """Return pass with the first deployment that can serve, fail with what stands in the way of all."""
        blocked: list[str] = []
        for deployment in case.premium:
            reason = _blocked(deployment, case)
            if reason is None:
                return settle("technical", [], [f"{deployment.model_name} can serve it"], "")
            blocked.append(reason)
        return settle("technical", blocked or ["no premium deployment is configured"], [], "")


def _blocked(deployment: Deployment, case: Case) -> str | None:
    rules, name = case.policy.validation.technical, deployment.model_name
    obstacle = why_not(deployment, case.features, case.snapshot)
    if obstacle is not None:
        return obstacle
    if case.snapshot.health.get(deployment.id) == "open":
        return f"{name} is cooling down after failures"
    needed = prompt_tokens(case.features) + case.policy.economy.expected_output_tokens
    room = int(deployment.card.context_window * rules.context_share)
    if needed > room:
        return f"{needed} tokens with the answer exceed the {room} that may be used of {name}"
    if rules.native_dialect and case.features.dialect not in deployment.dialects:
        return f"{name} does not speak the dialect {case.features.dialect}"
    return None
