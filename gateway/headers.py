"""The headers of every answer: what was decided, by what, at what price. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from gateway.exchange import Exchange
from gateway.failures import failed_clause
from gateway.ledger import Account, Receipt
from policies.engine import ascii_clause
from policies.facts import Tier
from policies.pricing import NANO_PER_USD

_PASSED_ON = ("x-ratelimit-", "anthropic-ratelimit-", "request-id", "x-request-id", "retry-after")


class Served(msgspec.Struct, frozen=True, kw_only=True):
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
    headers = early_headers(exchange)
    if served.failed:
        headers["x-gateway-reason"] = ascii_clause(served.clause(exchange.decision.reason))
    headers |= _server_headers(served.model, served.deployment, served.tier, served.tried)
    if exchange.decision.is_above(served.tier):
        headers["x-gateway-below-floor"] = "true"
    if served.failed_check:
        headers["x-gateway-check-failed"] = served.failed_check
    if served.output_limit is not None:
        headers["x-gateway-output-limit"] = str(served.output_limit)
    return headers


@lru_cache(maxsize=256)
def _server_headers(model: str, deployment: str, tier: Tier, tried: tuple[str, ...]) -> dict[str, str]:
    """Return who served after how many tries, nearly always a deployment at its first."""
    tries, deployments = len(tried), len(set(tried))
    return {
        "x-gateway-model": ascii_clause(model),
        "x-gateway-tier": tier,
        "x-gateway-attempts": str(tries),
        "x-litellm-model-id": ascii_clause(deployment),
        "x-litellm-model-group": ascii_clause(model),
        "x-litellm-attempted-retries": str(tries - deployments),
        "x-litellm-attempted-fallbacks": str(max(0, deployments - 1)),
    }


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
    cost = _in_usd(receipt.cost_nano)
    headers = {"x-gateway-cost-usd": cost, "x-litellm-response-cost": cost}
    savings_nano = receipt.savings_nano
    if savings_nano is not None:
        headers["x-gateway-savings-usd"] = _in_usd(savings_nano)
        headers["x-gateway-baseline"] = receipt.baseline
    if receipt.estimated:
        headers["x-gateway-estimated"] = "true"
    return headers


def _in_usd(nano: int) -> str:
    """Return nano-USD as exact decimal USD."""
    whole, rest = divmod(abs(nano), NANO_PER_USD)
    return f"{'-' if nano < 0 else ''}{whole}.{rest:09d}"


def vendor_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the vendor's rate and request-id headers under the prefix clients know."""
    return {
        f"llm_provider-{name}": ascii_clause(value)
        for name, value in headers.items()
        if name.startswith(_PASSED_ON)
    }
