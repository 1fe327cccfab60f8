"""The headers of every answer: what was decided, by what, at what price. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.exchange import Exchange
from gateway.ledger import Account, Receipt
from policies.engine import ascii_clause
from policies.pricing import usd

_PASSED_ON = ("x-ratelimit-", "anthropic-ratelimit-", "request-id", "x-request-id", "retry-after")


def decision_headers(
    exchange: Exchange, *, model: str, deployment: str, attempts: int, failed_check: str = ""
) -> dict[str, str]:
    """Return the headers known before the first byte; LiteLLM's names where ours mean the same."""
    headers = early_headers(exchange) | {
        "x-gateway-model": ascii_clause(model),
        "x-gateway-tier": exchange.decision.tier,
        "x-gateway-attempts": str(attempts),
        "x-litellm-model-id": ascii_clause(deployment),
        "x-litellm-model-group": ascii_clause(model),
        "x-litellm-attempted-fallbacks": str(max(0, attempts - 1)),
    }
    if failed_check:
        headers["x-gateway-check-failed"] = failed_check
    return headers


def early_headers(exchange: Exchange) -> dict[str, str]:
    """Return the headers known as soon as it is decided; who will serve is not among them."""
    decision = exchange.decision
    headers = {
        "x-request-id": exchange.id,
        "x-gateway-decision-id": exchange.decision_id,
        "x-gateway-reason": ascii_clause(decision.reason),
        "x-gateway-policy-revision": decision.policy_revision,
        "x-litellm-call-id": exchange.id,
    }
    if decision.below_floor:
        headers["x-gateway-below-floor"] = "true"
    if decision.ground == "approval":
        headers["x-gateway-approval"] = "required"
    return headers


def failure_headers(account: Account, receipt: Receipt) -> dict[str, str]:
    """Return the headers of an error that came after attempts were made."""
    last = account.attempts[-1] if account.attempts else None
    return decision_headers(
        account.exchange,
        model=last.model if last else "",
        deployment=last.deployment if last else "",
        attempts=len(account.attempts),
    ) | receipt_headers(receipt)


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
