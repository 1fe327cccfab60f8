from __future__ import annotations

import pytest
from exchange_samples import GLM, OPUS, make_reach

from gateway.errors import AllAttemptsFailed, GatewayError, Internal
from gateway.exchange import Fault
from gateway.failures import ERRORS, denial_error, fault_error, give_up_error
from policies.verdicts import Denial, Outcome, OutcomeKind

FLEET = make_reach().fleet


def outcome(kind: OutcomeKind, deployment: str = GLM, **known: object) -> Outcome:
    """Return an outcome with the vendor's words."""
    return Outcome(deployment=deployment, kind=kind, message="vendor words", **known)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("connect_failed", 503, "upstream_unavailable"),
        ("timeout", 504, "upstream_timeout"),
        ("rate_limited", 429, "upstream_rate_limited"),
        ("overloaded", 503, "upstream_unavailable"),
        ("server_error", 502, "upstream_error"),
        ("garbled", 502, "upstream_garbled"),
        ("cut_off", 502, "upstream_garbled"),
        ("auth_failed", 502, "upstream_error"),
        ("account_empty", 502, "upstream_error"),
    ],
)
def test_vendors_fault(kind: OutcomeKind, status: int, code: str) -> None:
    """What is the vendor's fault keeps its words for the operator and names the model to the caller."""
    error = give_up_error([outcome(kind)], FLEET)
    assert (error.http_status, error.code, error.detail) == (status, code, "vendor words")
    assert error.message.startswith(f"{GLM} ")
    assert "vendor words" not in error.message


@pytest.mark.parametrize(
    ("kind", "vendors", "status", "code"),
    [
        ("bad_request", 422, 422, "upstream_rejected"),
        ("bad_request", 500, 400, "upstream_rejected"),
        ("bad_request", None, 400, "upstream_rejected"),
        ("refused", 400, 400, "upstream_rejected"),
        ("context_overflow", 413, 400, "context_length_exceeded"),
        ("unsupported", None, 400, "unsupported_value"),
    ],
)
def test_callers_fault(kind: OutcomeKind, vendors: int | None, status: int, code: str) -> None:
    """What is the caller's fault is told in the vendor's words."""
    error = give_up_error([outcome("server_error"), outcome(kind, OPUS, status=vendors)], FLEET)
    assert (error.http_status, error.code, error.message) == (status, code, "vendor words")


def test_shortest_wait() -> None:
    """Of several waits the caller is told the shortest."""
    waits = [outcome("rate_limited", retry_after_s=34.0), outcome("rate_limited", OPUS, retry_after_s=5.0)]
    error = give_up_error(waits, FLEET)
    assert (error.http_status, error.retry_after_s) == (429, 5.0)


def test_mixed_failures() -> None:
    """Different failures are one 502 that names each model once."""
    error = give_up_error([outcome("timeout"), outcome("timeout"), outcome("garbled", OPUS)], FLEET)
    assert isinstance(error, AllAttemptsFailed)
    assert error.message.count(GLM) == 1


def test_nothing_tried() -> None:
    """A plan without attempts is a defect of ours."""
    assert isinstance(give_up_error([], FLEET), Internal)


@pytest.mark.parametrize("kind", ERRORS)
def test_fault_in_a_stream(kind: OutcomeKind) -> None:
    """Every kind of outcome has an error for an answer that had begun."""
    error = fault_error(Fault(kind=kind, message="x"), GLM)
    assert isinstance(error, GatewayError)
    assert error.message.endswith("before the answer was complete")


@pytest.mark.parametrize(
    ("code", "status"),
    [("context_length_exceeded", 400), ("unsupported", 400), ("policy_denied", 403), ("no_deployment", 503)],
)
def test_denials(code: str, status: int) -> None:
    """A refusal of the policy's has the status its reason calls for."""
    error = denial_error(Denial(code=code, reason="because"))  # type: ignore[arg-type]
    assert (error.http_status, error.message) == (status, "because")
