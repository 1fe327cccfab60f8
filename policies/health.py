"""The health of a deployment as a circuit breaker: a table of transitions over frozen values.

closed --(failures within the window reach the threshold)--> open --(cool-down over)--> half_open
half_open --(success)--> closed, --(failure)--> open again, twice as long up to a bound.
closed --(rate limit that names a time)--> limited --(that time is over)--> closed
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec.structs import replace

from policies.facts import HealthState
from policies.verdicts import Outcome, OutcomeKind

Event = Literal["good", "bad", "limited", "none"]

EVENTS: Mapping[OutcomeKind, Event] = {
    "ok": "good",
    "connect_failed": "bad",
    "timeout": "bad",
    "overloaded": "bad",
    "server_error": "bad",
    "garbled": "bad",
    "cut_off": "bad",
    "auth_failed": "bad",
    "account_empty": "bad",
    "rate_limited": "limited",
    "bad_request": "none",  # these say something of the request, not of the deployment
    "unsupported": "none",
    "context_overflow": "none",
    "refused": "none",
    "budget": "none",
    "check_failed": "none",  # the vendor works; its model was not up to this request
    "cancelled": "none",
}


class BreakerRule(msgspec.Struct, frozen=True, kw_only=True):
    """When a deployment is rested, and for how long (seconds)."""

    failures: int = 5
    window_s: float = 60.0
    cooldown_s: float = 10.0
    longest_s: float = 300.0


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment's breaker; the default is healthy."""

    state: HealthState = "closed"
    failures: int = 0
    since_s: float = 0.0
    """Start of the window while closed; when it opened or began probing otherwise."""
    rest_s: float = 0.0
    """How long it stays open."""


def observe(breaker: Breaker, outcome: Outcome, *, now_s: float, rule: BreakerRule) -> Breaker:
    """Return the breaker after an outcome known at `now_s`."""
    event = EVENTS[outcome.kind]
    if event == "none":
        return breaker
    if event == "good":
        return Breaker()
    if event == "limited" and outcome.retry_after_s is not None:
        return Breaker(state="limited", since_s=now_s, rest_s=min(outcome.retry_after_s, rule.longest_s))
    return _failed(breaker, now_s, rule)


def tick(breaker: Breaker, *, now_s: float) -> Breaker:
    """Return the breaker with its cool-down ended if its time is over."""
    if breaker.state not in {"open", "limited"} or now_s < breaker.since_s + breaker.rest_s:
        return breaker
    return Breaker() if breaker.state == "limited" else replace(breaker, state="half_open", since_s=now_s)


def _failed(breaker: Breaker, now_s: float, rule: BreakerRule) -> Breaker:
    if breaker.state in {"open", "limited"}:
        return breaker
    if breaker.state == "half_open":
        rest_s = min(rule.longest_s, max(rule.cooldown_s, breaker.rest_s * 2))
        return Breaker(state="open", since_s=now_s, rest_s=rest_s)
    fresh = now_s - breaker.since_s > rule.window_s
    failures = 1 if fresh else breaker.failures + 1
    if failures >= rule.failures:
        return Breaker(state="open", since_s=now_s, rest_s=rule.cooldown_s)
    return Breaker(failures=failures, since_s=now_s if fresh else breaker.since_s)
