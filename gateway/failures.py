"""What the caller is told when a plan gives up. Pure: one table from outcomes to errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.errors import (
    AllAttemptsFailed,
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
from gateway.exchange import Fault
from policies.policy import Fleet
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
}
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
    if denial.code == "rate_limited":
        return UpstreamRateLimited(denial.reason, retry_after_s=_RETRY_LATER_S)
    return UpstreamUnavailable(denial.reason, retry_after_s=_RETRY_LATER_S)


def _told(outcome: Outcome) -> GatewayError:
    """Return the vendor's own complaint about the caller's request, with its own 4xx if it has one."""
    error = ERRORS[outcome.kind]
    vendors_own = outcome.status is not None and 400 <= outcome.status < 500  # noqa: PLR2004
    keep = error is UpstreamRejected and vendors_own
    return error(outcome.message, status=outcome.status if keep else None)
