"""What the caller is told when a plan gives up. Pure: one table from outcomes to errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gateway.errors import (
    AllAttemptsFailed,
    BudgetExceeded,
    ContextTooLong,
    GatewayError,
    Internal,
    PolicyDenied,
    Unsupported,
    UpstreamError,
    UpstreamGarbled,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from gateway.exchange import Exchange, Fault
from policies.policy import Deployment, Fleet
from policies.verdicts import Denial, Outcome, OutcomeKind

ERRORS: Mapping[OutcomeKind, type[GatewayError]] = {
    "connect_failed": UpstreamUnavailable,
    "timeout": UpstreamTimeout,
    "rate_limited": UpstreamRateLimited,
    "overloaded": UpstreamUnavailable,
    "server_error": UpstreamError,
    "garbled": UpstreamGarbled,
    "cut_off": UpstreamGarbled,
    "auth_failed": UpstreamError,
    "account_empty": UpstreamError,
    "bad_request": UpstreamRejected,
    "context_overflow": ContextTooLong,
    "refused": UpstreamRejected,
    "unsupported": Unsupported,
}
WORDS: Mapping[OutcomeKind, str] = {
    "connect_failed": "cannot be reached",
    "timeout": "did not answer in time",
    "rate_limited": "is limiting our requests",
    "overloaded": "is overloaded",
    "server_error": "had an internal error",
    "garbled": "sent an answer that could not be understood",
    "cut_off": "broke off its answer",
    "auth_failed": "did not accept the gateway's credentials",
    "account_empty": "reports that the gateway's account is empty",
    "bad_request": "rejected the request",
    "context_overflow": "has too small a context window",
    "refused": "refused to answer",
    "unsupported": "cannot do what is asked",
    "budget": "costs more than the budget has left",
    "check_failed": "failed an answer check",
}
_LONGEST_WAIT_S = 86_400.0
"""A client told to wait for weeks would be taken for dead, and a budget may be raised any day."""
_RETRY_LATER_S = 5.0
"""What a client is told to wait where no vendor said how long."""
_TOLD: frozenset[OutcomeKind] = frozenset({"bad_request", "context_overflow", "refused", "unsupported"})
"""Outcomes that are about the caller's own request: the vendor's words are passed on."""


def give_up_error(outcomes: Sequence[Outcome], fleet: Fleet) -> GatewayError:
    """Return the error for a plan that ended without an answer."""
    if not outcomes:
        return Internal("no deployment was tried; see the log by the request id")
    last = outcomes[-1]
    names = {o.deployment: fleet.deployments[o.deployment].model_name for o in outcomes}
    kinds = {o.kind for o in outcomes}
    if last.kind in _TOLD:
        return _told(last)
    waits = [o.retry_after_s for o in outcomes if o.retry_after_s is not None]
    told = "; ".join(dict.fromkeys(f"{names[o.deployment]} {WORDS.get(o.kind, 'failed')}" for o in outcomes))
    error = ERRORS.get(last.kind, UpstreamError) if len(kinds) == 1 else AllAttemptsFailed
    return error(told, retry_after_s=min(waits, default=None), detail=last.message)


def fault_error(fault: Fault, model_name: str) -> GatewayError:
    """Return the error for an answer that went wrong after it had begun."""
    error = ERRORS.get(fault.kind, UpstreamError)
    words = WORDS.get(fault.kind, "failed")
    return error(f"{model_name} {words} before the answer was complete", detail=fault.message)


def denial_error(denial: Denial) -> GatewayError:
    """Return the error for a request the policy found no deployment for."""
    if denial.code == "context_length_exceeded":
        return ContextTooLong(denial.reason, param="messages")
    if denial.code == "unsupported":
        return Unsupported(denial.reason, param="messages")
    if denial.code == "wrong_endpoint":
        return Unsupported(denial.reason, param="model")
    if denial.code == "policy_denied":
        return PolicyDenied(denial.reason)
    wait_s = denial.retry_after_s or _RETRY_LATER_S
    if denial.code == "rate_limited":
        return UpstreamRateLimited(denial.reason, retry_after_s=wait_s)
    return UpstreamUnavailable(denial.reason, retry_after_s=wait_s)


def failed_clause(failed: Iterable[tuple[str, OutcomeKind]]) -> str:
    """Return in words how deployments failed, each way told once."""
    return "; ".join(dict.fromkeys(f"{name} {WORDS.get(kind, 'failed')}" for name, kind in failed))


def explained_budget(error: BudgetExceeded, exchange: Exchange, deployment: Deployment) -> BudgetExceeded:
    """Return a budget's refusal with when to return, and why so much was asked of it."""
    wait_s = None
    if error.resets_at_s is not None:
        wait_s = min(max(1.0, error.resets_at_s - exchange.started_s), _LONGEST_WAIT_S)
    unbounded = exchange.request.max_output_tokens is None
    longest = deployment.card.max_output_tokens
    hint = f"; no max_tokens was sent, so an answer of {longest} tokens was reserved" if unbounded else ""
    return BudgetExceeded(error.message + hint, retry_after_s=wait_s, resets_at_s=error.resets_at_s)


def _told(outcome: Outcome) -> GatewayError:
    """Return the vendor's own complaint about the caller's request, with its own 4xx if it has one."""
    error = ERRORS[outcome.kind]
    vendors_own = outcome.status is not None and 400 <= outcome.status < 500  # noqa: PLR2004
    keep = error is UpstreamRejected and vendors_own
    return error(outcome.message, status=outcome.status if keep else None)
