"""Which base answers are held back from the client to be checked, and what the checks say of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.exchange import ChatRequest, Exchange
from gateway.wire.answer_events import demanded_checks
from gateway.wire.answer_views import view_answer, view_events
from policies.answer_checks import AnswerView, CheckResult, check_answer
from policies.plan import may_redo
from policies.verdicts import Candidate, Ground, Outcome, Plan

MAX_WITHHELD_BYTES = 4 * 1024 * 1024
"""How much of a stream is held back; of a longer one this much is sent on unchecked, and then the rest."""
_UNCHECKED: frozenset[Ground] = frozenset({"pin", "housekeeping"})
"""Grounds on which an answer stands as it is: that model was asked for, or the call is worth no second."""


def is_checked(exchange: Exchange, plan: Plan, outcomes: Sequence[Outcome], candidate: Candidate) -> bool:
    """Tell whether a candidate's answer has to pass the policy's checks: a base answer premium can redo.

    What was asked of a model by name is that model's answer, good or bad.
    """
    if not exchange.policy.answer_checks or exchange.decision.ground in _UNCHECKED:
        return False
    return may_redo(plan, outcomes, candidate)


def holds_back(exchange: Exchange) -> bool:
    """Tell whether a checked stream waits for its end: all, or those of no use before it.

    JSON that is to fit a schema, and a call the model was told to make, are of use only when they are whole.
    """
    policy = exchange.policy
    if policy.checked_streams != "demanded":
        return policy.checked_streams == "withhold"
    return not demanded_checks(exchange.request).isdisjoint(policy.answer_checks)


def find_fault(exchange: Exchange, request: ChatRequest, answer: bytes) -> CheckResult | None:
    """Return the first check a complete answer fails, None where it is good enough."""
    return _failed(exchange, view_answer(request, answer))


def find_stream_fault(exchange: Exchange, request: ChatRequest, stream: bytes) -> CheckResult | None:
    """Return the same of a stream that has ended, given all of what the client would see."""
    return _failed(exchange, view_events(request, stream))


def _failed(exchange: Exchange, views: Sequence[AnswerView]) -> CheckResult | None:
    enabled = exchange.policy.answer_checks
    results = (result for view in views for result in check_answer(view, enabled))
    return next((result for result in results if result.passed is False), None)
