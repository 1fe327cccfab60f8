"""`advance` under any vendor: it ends, keeps to the plan, and tries nobody too often."""

from __future__ import annotations

from collections import Counter
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from policies import advance
from policies.plan import ACTIONS
from policies.verdicts import Candidate, Deliver, GiveUp, Outcome, OutcomeKind, Plan, Retry, Start

KINDS = st.sampled_from(get_args(OutcomeKind))
ENDINGS = st.tuples(
    KINDS, st.none() | st.floats(-1, 20), st.floats(0, 5), st.sampled_from((False,) * 9 + (True,))
)
PLANS = st.builds(
    Plan,
    candidates=st.lists(st.sampled_from("abcd"), unique=True, max_size=4).map(
        lambda ids: tuple(Candidate(deployment=i, tier="premium", worst_case_nano=1) for i in ids)
    ),
    retry=st.builds(
        Retry,
        attempts_per_deployment=st.integers(0, 4),
        base_delay_s=st.floats(0, 2),
        max_delay_s=st.floats(0, 10),
        deadline_s=st.floats(1, 60),
    ),
    seed=st.integers(0, 2**32 - 1),
)


def run(
    plan: Plan, endings: list[tuple[OutcomeKind, float | None, float, bool]]
) -> tuple[list[Start], list[Outcome], object]:
    """Carry a plan out against vendors that answer as told, then fail; return starts, outcomes, last step."""
    starts: list[Start] = []
    outcomes: list[Outcome] = []
    elapsed_s = 0.0
    while isinstance(step := advance(plan, outcomes), Start):
        fallback: tuple[OutcomeKind, None, float, bool] = ("server_error", None, 0.1, False)
        kind, after, took_s, committed = endings[len(starts)] if len(starts) < len(endings) else fallback
        starts.append(step)
        elapsed_s += step.delay_s + took_s
        outcomes.append(
            Outcome(
                deployment=step.candidate.deployment,
                kind=kind,
                retry_after_s=after,
                elapsed_s=elapsed_s,
                committed=committed,
            )
        )
    return starts, outcomes, step


@given(PLANS, st.lists(ENDINGS, max_size=12))
def test_bounded(plan: Plan, endings: list[tuple[OutcomeKind, float | None, float, bool]]) -> None:
    """Nobody outside the plan is called, nobody more often than allowed, nobody after the deadline."""
    starts, outcomes, _ = run(plan, endings)
    tries = Counter(start.candidate.deployment for start in starts)

    assert all(start.candidate in plan.candidates for start in starts)
    assert max(tries.values(), default=0) <= max(1, plan.retry.attempts_per_deployment)
    assert all(0.0 <= start.delay_s <= plan.retry.max_delay_s for start in starts)
    for start, before in zip(starts[1:], outcomes, strict=False):
        assert before.elapsed_s + start.delay_s < plan.retry.deadline_s


@given(PLANS, st.lists(ENDINGS, max_size=12))
def test_ends_well(plan: Plan, endings: list[tuple[OutcomeKind, float | None, float, bool]]) -> None:
    """It delivers exactly what was good, and otherwise reports the last outcome."""
    _, outcomes, step = run(plan, endings)

    if outcomes and outcomes[-1].kind == "ok":
        assert step == Deliver()
    else:
        assert step == GiveUp(outcome=outcomes[-1] if outcomes else None)


@given(PLANS, st.lists(ENDINGS, max_size=12))
def test_stops(plan: Plan, endings: list[tuple[OutcomeKind, float | None, float, bool]]) -> None:
    """Nothing follows an outcome that ends the request or that the client has seen."""
    _, outcomes, _ = run(plan, endings)

    assert not any(o.committed or ACTIONS[o.kind] in {"stop", "deliver"} for o in outcomes[:-1])


@given(PLANS, st.lists(ENDINGS, max_size=12))
def test_replays(plan: Plan, endings: list[tuple[OutcomeKind, float | None, float, bool]]) -> None:
    """The same plan and outcomes give the same steps, delays included."""
    assert run(plan, endings) == run(plan, endings)


@given(PLANS)
def test_everyone_once(plan: Plan) -> None:
    """When all answer at once that they cannot serve, each is asked once, in order."""
    starts, _, _ = run(plan, [("auth_failed", None, 0.0, False)] * 4)

    assert tuple(start.candidate for start in starts) == plan.candidates
