from __future__ import annotations

import math
from typing import get_args

import pytest

from policies.plan import ACTIONS, advance, may_redo
from policies.verdicts import Candidate, Deliver, GiveUp, Outcome, OutcomeKind, Plan, Retry, Start, Step

A = Candidate(deployment="a", tier="premium", worst_case_nano=2)
B = Candidate(deployment="b", tier="base", worst_case_nano=1)
RETRY = Retry(attempts_per_deployment=2, base_delay_s=0.5, max_delay_s=8.0, deadline_s=100.0)
PLAN = Plan(candidates=(A, B), retry=RETRY, seed=7)
ALONE = Plan(candidates=(A,), retry=RETRY, seed=7)


def ended(
    kind: OutcomeKind, deployment: str = "a", *, after: float | None = None, at: float = 0.0
) -> Outcome:
    """Return how an attempt ended."""
    return Outcome(deployment=deployment, kind=kind, retry_after_s=after, elapsed_s=at)


def told(step: Step) -> str:
    """Return a step in one word."""
    return step.candidate.deployment if isinstance(step, Start) else type(step).__name__


def test_begins() -> None:
    """The first candidate starts at once; without candidates there is nothing to do."""
    assert advance(PLAN, ()) == Start(candidate=A)
    assert advance(Plan(candidates=()), ()) == GiveUp(outcome=None)


@pytest.mark.parametrize("kind", get_args(OutcomeKind))
def test_actions(kind: OutcomeKind) -> None:
    """Every kind of outcome leads where the table says."""
    expected = {"deliver": "Deliver", "retry": "a", "next": "b", "premium": "GiveUp", "stop": "GiveUp"}

    assert told(advance(PLAN, (ended(kind),))) == expected[ACTIONS[kind]]


@pytest.mark.parametrize("kind", sorted(set(get_args(OutcomeKind)) - {"ok"}))
def test_committed_stops(kind: OutcomeKind) -> None:
    """Once the client has seen bytes, nothing is tried again."""
    outcome = Outcome(deployment="a", kind=kind, committed=True)

    assert advance(PLAN, (outcome,)) == GiveUp(outcome=outcome)


@pytest.mark.parametrize(
    ("outcomes", "step"),
    [
        ([ended("ok")], "Deliver"),
        ([ended("server_error"), ended("ok")], "Deliver"),
        ([ended("server_error")] * 2, "b"),
        ([ended("server_error")] * 2 + [ended("server_error", "b")], "b"),
        ([ended("server_error")] * 2 + [ended("server_error", "b")] * 2, "GiveUp"),
        ([ended("timeout"), ended("timeout", "b")], "GiveUp"),
        ([ended("rate_limited", after=1), ended("auth_failed", "b")], "a"),
        ([ended("rate_limited", after=1), ended("server_error", "b"), ended("server_error", "b")], "a"),
        ([ended("rate_limited"), ended("auth_failed", "b")], "GiveUp"),
        ([ended("rate_limited", after=9), ended("auth_failed", "b")], "GiveUp"),
        ([ended("overloaded", after=9)], "b"),
        ([ended("server_error", at=100)], "GiveUp"),
        ([ended("timeout", at=99.9)], "b"),
        ([ended("timeout", at=100)], "GiveUp"),
        ([ended("server_error", after=5, at=96)], "b"),
        ([ended("server_error", "gone")], "a"),
        ([ended("refused")], "GiveUp"),
        ([ended("bad_request")], "GiveUp"),
    ],
)
def test_sequences(outcomes: list[Outcome], step: str) -> None:
    """Tries, waits and the deadline bound what is still done."""
    assert told(advance(PLAN, outcomes)) == step


CHEAP_FIRST = Plan(
    candidates=tuple(
        Candidate(deployment=name, tier=tier, worst_case_nano=1)
        for name, tier in (("c1", "base"), ("c2", "base"), ("p1", "premium"), ("p2", "premium"))
    ),
    retry=RETRY,
)


@pytest.mark.parametrize(
    ("outcomes", "step"),
    [
        ([ended("check_failed", "c1")], "p1"),
        ([ended("server_error", "c1")] * 2 + [ended("check_failed", "c2")], "p1"),
        ([ended("check_failed", "c1"), ended("server_error", "p1")], "p1"),
        ([ended("check_failed", "c1"), ended("auth_failed", "p1")], "p2"),
        ([ended("check_failed", "c1"), ended("auth_failed", "p1"), ended("timeout", "p2")], "GiveUp"),
        ([ended("rate_limited", "c2", after=1), ended("check_failed", "c1"), *[ended("budget", p) for p in ("p1", "p2")]], "GiveUp"),
        ([ended("check_failed", "c1"), ended("bad_request", "p1")], "GiveUp"),
        ([ended("check_failed", "c1", at=100)], "GiveUp"),
        ([ended("check_failed", "c1"), ended("ok", "p1")], "Deliver"),
    ],
)  # fmt: skip
def test_check_failed(outcomes: list[Outcome], step: str) -> None:
    """A cheap answer that fails its checks is redone by premium only, under premium's own failure rules."""
    assert told(advance(CHEAP_FIRST, outcomes)) == step


@pytest.mark.parametrize(
    ("tried", "candidate", "worth"),
    [((), 0, True), (("c1",), 1, True), ((), 2, False), (("p1",), 0, True), (("p1", "p2"), 0, False)],
)
def test_may_redo(tried: tuple[str, ...], candidate: int, *, worth: bool) -> None:
    """Only a base answer with a premium candidate left is worth checking."""
    outcomes = [ended("auth_failed", deployment) for deployment in tried]

    assert may_redo(CHEAP_FIRST, outcomes, CHEAP_FIRST.candidates[candidate]) is worth


def test_gives_the_last() -> None:
    """What is reported is how the last attempt ended."""
    outcomes = (ended("auth_failed"), ended("account_empty", "b"))

    assert advance(PLAN, outcomes) == GiveUp(outcome=outcomes[-1])


def test_waits_out_the_soonest() -> None:
    """Of two rate limits the one that ends first is waited for, counted from when it was told."""
    outcomes = (ended("rate_limited", after=7, at=1), ended("rate_limited", "b", after=2, at=4))

    assert advance(PLAN, outcomes) == Start(candidate=B, delay_s=2)
    assert advance(PLAN, (*outcomes, ended("server_error", "b", at=6))) == Start(candidate=A, delay_s=2)


@pytest.mark.parametrize(("after", "delay_s"), [(3, 3.0), (0, 0.0), (-5, 0.0), (math.nan, 0.0)])
def test_retry_after(after: float, delay_s: float) -> None:
    """The vendor's word is waited for; a senseless one is no wait."""
    assert advance(ALONE, (ended("overloaded", after=after),)) == Start(candidate=A, delay_s=delay_s)


@pytest.mark.parametrize("tries", range(1, 8))
def test_backoff(tries: int) -> None:
    """The delay doubles, keeps to its bound, and is jittered by at most half."""
    plan = Plan(candidates=(A,), retry=Retry(attempts_per_deployment=9), seed=3)
    step = advance(plan, [ended("connect_failed")] * tries)
    full = min(8.0, 0.25 * 2 ** (tries - 1))

    assert isinstance(step, Start)
    assert full / 2 <= step.delay_s <= full


def test_jitter_by_seed() -> None:
    """One seed gives one delay for ever; neighbouring seeds spread over the whole range."""
    plans = [Plan(candidates=(A,), retry=RETRY, seed=seed) for seed in range(200)]
    steps = [advance(plan, (ended("connect_failed"),)) for plan in plans]
    delays = [step.delay_s for step in steps if isinstance(step, Start)]

    assert steps == [advance(plan, (ended("connect_failed"),)) for plan in plans]
    assert len(set(delays)) == 200
    assert min(delays) < 0.26
    assert max(delays) > 0.49


def test_many_attempts() -> None:
    """A generous configuration overflows nothing."""
    plan = Plan(candidates=(A,), retry=Retry(attempts_per_deployment=5_000, max_delay_s=1.0))
    step = advance(plan, [ended("connect_failed")] * 4_000)

    assert isinstance(step, Start)
    assert step.delay_s <= 1.0


def test_delivers_once_good() -> None:
    """A good attempt is delivered even when it ended after the deadline."""
    assert advance(PLAN, (ended("ok", at=1e9),)) == Deliver()


@pytest.mark.parametrize(("order", "step"), [((A, B), "Start b"), ((B, A), "GiveUp")])
def test_budget_never_leads_upwards(order: tuple[Candidate, ...], step: str) -> None:
    """What does not fit is tried again cheaper, never dearer."""
    plan = Plan(candidates=order, retry=RETRY)

    taken = advance(plan, [Outcome(deployment=order[0].deployment, kind="budget")])

    assert (
        f"Start {taken.candidate.deployment}" if isinstance(taken, Start) else type(taken).__name__
    ) == step
