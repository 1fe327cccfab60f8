"""What follows what, and progress as a fold over events."""

from __future__ import annotations

from itertools import product
from typing import get_args

import msgspec
import pytest

from gateway.stores.workflows_base import FINISHED, Detail, EventKind, EventRow, Problem, State, StepName
from gateway.workflows.states import MOVES, TOLD, fold

UNDONE = frozenset({"webhook_delivered", "webhook_failed", "erased"})
"""What may be written of a workflow that has ended."""


def event(seq: int, kind: EventKind, step: StepName | None = None, **detail: object) -> EventRow:
    """Return an event that happened `seq` times ten milliseconds after the beginning."""
    said = msgspec.convert(detail, Detail)
    return EventRow(workflow_id="wf_1", seq=seq, at_ms=seq * 10, kind=kind, step=step, detail=said)


def test_every_event_has_its_move() -> None:
    """Every kind of event says where it may happen, and what ends a workflow is told."""
    assert set(MOVES) | {"submitted"} == set(get_args(EventKind))
    assert {kind for kind, (_, to) in MOVES.items() if to in FINISHED} <= TOLD


@pytest.mark.parametrize("kind", sorted(MOVES))
def test_ends_are_final(kind: EventKind) -> None:
    """No event leads out of an end, and none but a note may follow it."""
    among, to = MOVES[kind]
    if kind in UNDONE:
        assert to is None
    else:
        assert not among & FINISHED


def test_every_state_has_a_way_out() -> None:
    """From every state that is no end, an end can be reached, cancelling always among them."""
    reaches: dict[State, set[State]] = {state: {state} for state in get_args(State)}
    for _, (among, to) in product(range(len(reaches)), MOVES.values()):
        for found in reaches.values():
            if to is not None and found & among:
                found.add(to)
    unfinished = set(reaches) - FINISHED
    assert all(reaches[state] >= {"completed", "failed", "cancelled"} for state in unfinished)
    assert MOVES["cancelled"][0] == unfinished


def test_step_times_and_attempts() -> None:
    """A step is counted from its first try to its last end; one begun anew is running again."""
    events = [
        event(1, "submitted"),
        event(2, "step_started", "detect"),
        event(3, "step_failed", "detect", problem={"code": "x", "message": "y"}),
        event(5, "step_started", "detect"),
    ]
    running = fold(events).step("detect")
    assert (running.state, running.attempts, running.duration_ms) == ("running", 2, None)
    done = fold([*events, event(9, "step_completed", "detect")]).step("detect")
    assert (done.state, done.attempts, done.duration_ms, done.error) == ("completed", 2, 70, None)
    failed = fold(events[:3]).step("detect")
    assert failed.error == Problem(code="x", message="y")


@pytest.mark.parametrize(
    ("kinds", "is_open"),
    [
        ([], False),
        (["call_opened"], True),
        (["call_opened", "call_failed"], False),
        (["call_opened", "call_interrupted"], False),
    ],
)
def test_open_calls(kinds: list[EventKind], *, is_open: bool) -> None:
    """A call is open while nothing is known but that it was about to be made."""
    progress = fold([event(n, kind, "execute", request_id="req_1") for n, kind in enumerate(kinds, 1)])
    assert (progress.open_call is not None) is is_open
