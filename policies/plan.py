"""Routing after the decision: a plan and the outcomes so far give the next step; the table is the rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec.structs import replace

from policies.verdicts import Candidate, Deliver, GiveUp, Outcome, OutcomeKind, Plan, Start, Step

Action = Literal["deliver", "retry", "next", "premium", "stop"]

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
    "check_failed": "premium",  # redone by the better model, never by another of the cheap ones
    "bad_request": "stop",  # it is as wrong for the next vendor
    "refused": "stop",  # a refusal is an answer; crossing it needs the policy's word
    "cancelled": "stop",
}
"""What to do after each kind of outcome that comes before the commit point.

`premium` is `next` with the plan cut to its premium candidates from then on.
"""
_DELIVER = Deliver()
_MAX_DOUBLINGS = 32
_SPREAD = 2_654_435_761
"""Knuth's multiplicative hash: neighbouring seeds give delays far apart."""


def may_redo(plan: Plan, outcomes: Sequence[Outcome], candidate: Candidate) -> bool:
    """Tell whether a candidate's answer is worth checking: cheap, with a premium one left to redo it."""
    if candidate.tier != "base":
        return False
    left = [c.deployment for c in plan.candidates if c.tier == "premium"]
    return bool(left) and not {outcome.deployment for outcome in outcomes}.issuperset(left)


def advance(plan: Plan, outcomes: Sequence[Outcome]) -> Step:
    """Return what to do next, given how every attempt so far ended (oldest first)."""
    if not outcomes:
        return Start(candidate=plan.candidates[0]) if plan.candidates else GiveUp(outcome=None)
    last = outcomes[-1]
    action = ACTIONS[last.kind]
    if action == "deliver":
        return _DELIVER
    if action == "stop" or last.committed:
        return GiveUp(outcome=last)
    if any(ACTIONS[outcome.kind] == "premium" for outcome in outcomes):
        plan = replace(plan, candidates=tuple(c for c in plan.candidates if c.tier == "premium"))
    again = _again(plan, outcomes) if action == "retry" else None
    return again or _next(plan, outcomes) or _wait_out(plan, outcomes) or GiveUp(outcome=last)


def _again(plan: Plan, outcomes: Sequence[Outcome]) -> Start | None:
    """Return another try at the last deployment while its tries and the deadline allow."""
    last = outcomes[-1]
    tries = _tries(outcomes, last.deployment)
    delay_s = last.retry_after_s if last.retry_after_s is not None else _backoff_s(plan, tries)
    return _retry(plan, outcomes, last.deployment, delay_s)


def _next(plan: Plan, outcomes: Sequence[Outcome]) -> Start | None:
    """Return the first candidate not yet tried; past a budget's refusal only one that asks for less."""
    tried = {outcome.deployment for outcome in outcomes}
    refused = {outcome.deployment for outcome in outcomes if outcome.kind == "budget"}
    room = min((c.worst_case_nano for c in plan.candidates if c.deployment in refused), default=None)
    fresh = next(
        (
            c
            for c in plan.candidates
            if c.deployment not in tried and (room is None or c.worst_case_nano < room)
        ),
        None,
    )
    return None if fresh is None else _start(plan, outcomes[-1], fresh, 0.0)


def _wait_out(plan: Plan, outcomes: Sequence[Outcome]) -> Start | None:
    """Return a retry of the rate-limited deployment whose `retry-after` is over first, if soon enough."""
    now_s = outcomes[-1].elapsed_s
    newest = {outcome.deployment: outcome for outcome in outcomes}
    waits = sorted(
        (max(0.0, outcome.elapsed_s + outcome.retry_after_s - now_s), deployment)
        for deployment, outcome in newest.items()
        if outcome.kind == "rate_limited" and outcome.retry_after_s is not None
    )
    starts = (_retry(plan, outcomes, deployment, delay_s) for delay_s, deployment in waits)
    return next(filter(None, starts), None)


def _retry(plan: Plan, outcomes: Sequence[Outcome], deployment: str, delay_s: float) -> Start | None:
    candidate = next((c for c in plan.candidates if c.deployment == deployment), None)
    if candidate is None or _tries(outcomes, deployment) >= plan.retry.attempts_per_deployment:
        return None
    return _start(plan, outcomes[-1], candidate, max(0.0, delay_s))


def _start(plan: Plan, last: Outcome, candidate: Candidate, delay_s: float) -> Start | None:
    if delay_s > plan.retry.max_delay_s or last.elapsed_s + delay_s >= plan.retry.deadline_s:
        return None
    return Start(candidate=candidate, delay_s=delay_s)


def _tries(outcomes: Sequence[Outcome], deployment: str) -> int:
    return sum(outcome.deployment == deployment for outcome in outcomes)


def _backoff_s(plan: Plan, tries: int) -> float:
    """Return an exponential delay with half of it jittered by the plan's seed."""
    doubled = plan.retry.base_delay_s * 2.0 ** min(tries - 1, _MAX_DOUBLINGS)
    jitter = ((plan.seed + tries) * _SPREAD % 2**32) / 2**32
    return min(plan.retry.max_delay_s, doubled) * (0.5 + 0.5 * jitter)
