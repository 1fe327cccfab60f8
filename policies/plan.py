"""Routing after the decision: a plan and the outcomes so far give the next step; the table is the rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, assert_never

from policies.verdicts import Candidate, Deliver, GiveUp, Outcome, OutcomeKind, Plan, Retry, Start, Step

Action = Literal["deliver", "retry", "next", "stop"]

ACTIONS: Mapping[OutcomeKind, Action] = {
    "ok": "deliver",
    "connect_failed": "retry",
    "overloaded": "retry",
    "server_error": "retry",
    "garbled": "retry",
    "cut_off": "retry",
    "rate_limited": "next",  # waiting out another's limit is worth it only when nobody else is left
    "timeout": "next",  # the deadline is spent; the same vendor would spend it again
    "auth_failed": "next",  # our credentials at this vendor, not the caller's fault
    "account_empty": "next",
    "context_overflow": "next",
    "unsupported": "next",  # this dialect cannot say what was asked; another may
    "budget": "next",  # a cheaper candidate may still fit
    "bad_request": "stop",  # it is as wrong for the next vendor
    "refused": "stop",  # a refusal is an answer; crossing it needs the policy's word
    "cancelled": "stop",
}
"""What to do after each kind of outcome that comes before the commit point."""


def advance(plan: Plan, outcomes: Sequence[Outcome]) -> Step:
    """Return what to do next, given how every attempt so far ended (oldest first)."""
    if not outcomes:
        return Start(candidate=plan.candidates[0]) if plan.candidates else GiveUp(outcome=None)
    last = outcomes[-1]
    action = ACTIONS[last.kind]
    if action == "deliver":
        return Deliver()
    if action == "stop" or last.committed:
        return GiveUp(outcome=last)
    if action == "retry":
        return _again(plan, outcomes) or _next(plan, outcomes) or GiveUp(outcome=last)
    if action == "next":
        return _next(plan, outcomes) or _wait_out(plan, outcomes) or GiveUp(outcome=last)
    assert_never(action)


def _again(plan: Plan, outcomes: Sequence[Outcome]) -> Start | None:
    """Return another try at the last deployment while its tries and the deadline allow."""
    last = outcomes[-1]
    tries = sum(1 for outcome in outcomes if outcome.deployment == last.deployment)
    if tries >= plan.retry.attempts_per_deployment:
        return None
    delay_s = last.retry_after_s if last.retry_after_s is not None else _backoff_s(plan, tries)
    return _start(plan, last, _candidate(plan, last.deployment), delay_s)


def _next(plan: Plan, outcomes: Sequence[Outcome]) -> Start | None:
    """Return the first candidate not yet tried that can still help."""
    tried = {outcome.deployment for outcome in outcomes}
    for candidate in plan.candidates:
        if candidate.deployment not in tried:
            return _start(plan, outcomes[-1], candidate, 0.0)
    return None


def _wait_out(plan: Plan, outcomes: Sequence[Outcome]) -> Start | None:
    """Return a retry of a rate-limited deployment once its `retry-after` is over, if that is soon enough."""
    last = outcomes[-1]
    if last.kind != "rate_limited" or last.retry_after_s is None:
        return None
    return _again(plan, outcomes)


def _start(plan: Plan, last: Outcome, candidate: Candidate, delay_s: float) -> Start | None:
    retry: Retry = plan.retry
    if delay_s > retry.max_delay_s or last.elapsed_s + delay_s >= retry.deadline_s:
        return None
    return Start(candidate=candidate, delay_s=delay_s)


def _candidate(plan: Plan, deployment: str) -> Candidate:
    return next(c for c in plan.candidates if c.deployment == deployment)


def _backoff_s(plan: Plan, tries: int) -> float:
    """Return an exponential delay with half of it jittered by the plan's seed."""
    full = min(plan.retry.max_delay_s, plan.retry.base_delay_s * 2 ** (tries - 1))
    jitter = ((plan.seed + tries) * 2_654_435_761 % 4_294_967_296) / 4_294_967_296
    return float(full * (0.5 + 0.5 * jitter))
