"""The headers of every answer: what was decided, by what, at what price. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from gateway.exchange import Exchange
from gateway.failures import failed_clause
from gateway.ledger import Account, Receipt
from policies.engine import ascii_clause
from policies.facts import Tier
from policies.pricing import usd

_PASSED_ON = ("x-ratelimit-", "anthropic-ratelimit-", "request-id", "x-request-id", "retry-after")


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Who answered in the end, or was the last to fail."""

    model: str
    deployment: str
    tier: Tier
    tried: tuple[str, ...]
    """The deployment of every attempt, oldest first, this one's included."""
    failed: str = ""
    """How others failed before, in words."""
    failed_check: str = ""
    output_limit: int | None = None
    """Tokens the answer could have at most because the budget had no room for more."""

    def clause(self, reason: str) -> str:
        """Return why it was this one: what failed before it, then why the decision was as it was."""
        return f"{self.failed}, so {self.deployment} serves; {reason}" if self.failed else reason


def decision_headers(exchange: Exchange, served: Served) -> dict[str, str]:
    """Return the headers known before the first byte; LiteLLM's names where ours mean the same."""
    tries, deployments = len(served.tried), len(set(served.tried))
    headers, model = early_headers(exchange), ascii_clause(served.model)
    if served.failed:
        headers["x-gateway-reason"] = ascii_clause(served.clause(exchange.decision.reason))
    headers["x-gateway-model"] = model
    headers["x-gateway-tier"] = served.tier
    headers["x-gateway-attempts"] = str(tries)
    headers["x-litellm-model-id"] = ascii_clause(served.deployment)
    headers["x-litellm-model-group"] = model
    headers["x-litellm-attempted-retries"] = str(tries - deployments)
    headers["x-litellm-attempted-fallbacks"] = str(max(0, deployments - 1))
    if exchange.decision.is_above(served.tier):
        headers["x-gateway-below-floor"] = "true"
    if served.failed_check:
        headers["x-gateway-check-failed"] = served.failed_check
    if served.output_limit is not None:
        headers["x-gateway-output-limit"] = str(served.output_limit)
    return headers


def early_headers(exchange: Exchange) -> dict[str, str]:
    """Return the headers known as soon as it is decided; who will serve is not among them."""
    decision = exchange.decision
    reason = decision.reason if decision.denial is None else decision.denial.reason
    headers = {
        "x-request-id": exchange.id,
        "x-gateway-decision-id": exchange.decision_id,
        "x-gateway-reason": ascii_clause(reason),
        "x-gateway-policy-revision": decision.policy_revision,
        "x-litellm-call-id": exchange.id,
    }
    if decision.below_floor:
        headers["x-gateway-below-floor"] = "true"
    if decision.ground == "approval":
        headers["x-gateway-approval"] = "required"
    return headers


def failure_headers(account: Account, receipt: Receipt) -> dict[str, str]:
    """Return the headers of an error that came after attempts were made: what was really tried."""
    attempts = account.attempts
    if not attempts:
        return early_headers(account.exchange) | receipt_headers(receipt)
    last = attempts[-1]
    ended = [(attempt.deployment, attempt.outcome) for attempt in attempts]
    served = Served(
        model=last.model,
        deployment=last.deployment,
        tier=msgspec.convert(last.tier, Tier),
        tried=tuple(a.deployment for a in attempts),
    )
    reason = f"{failed_clause(ended)}; {account.exchange.decision.reason}"
    told = {"x-gateway-reason": ascii_clause(reason)}
    return decision_headers(account.exchange, served) | told | receipt_headers(receipt)


def receipt_headers(receipt: Receipt) -> dict[str, str]:
    """Return the headers known once the answer is complete."""
    cost = f"{usd(receipt.cost_nano):f}"
    headers = {"x-gateway-cost-usd": cost, "x-litellm-response-cost": cost}
    if receipt.savings_nano is not None:
        headers["x-gateway-savings-usd"] = f"{usd(receipt.savings_nano):f}"
        headers["x-gateway-baseline"] = receipt.baseline
    if receipt.estimated:
        headers["x-gateway-estimated"] = "true"
    return headers


def vendor_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the vendor's rate and request-id headers under the prefix clients know."""
    return {
        f"llm_provider-{name}": ascii_clause(value)
        for name, value in headers.items()
        if name.startswith(_PASSED_ON)
    }
