"""What may happen to a workflow in which state, and its progress as a fold over its events. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import UNSET

from gateway.stores.workflows_base import STEPS, EventKind, EventRow, Problem, State, StepName

_UNFINISHED: frozenset[State] = frozenset({"pending", "running", "waiting_approval"})
_ALIVE: frozenset[State] = frozenset({"pending", "running"})
_RUNNING: frozenset[State] = frozenset({"running"})
_WAITING: frozenset[State] = frozenset({"waiting_approval"})
_ANY: frozenset[State] = _UNFINISHED | {"completed", "failed", "cancelled"}

MOVES: Mapping[EventKind, tuple[frozenset[State], State | None]] = {
    "step_started": (_ALIVE, "running"),
    "step_completed": (_RUNNING, None),
    "step_failed": (_RUNNING, None),
    "call_opened": (_RUNNING, None),
    "call_failed": (_RUNNING, None),
    "call_interrupted": (_RUNNING, None),
    "approval_requested": (_RUNNING, "waiting_approval"),
    "approved": (_WAITING, "pending"),
    "denied": (_WAITING, "failed"),
    "expired": (_WAITING, "failed"),
    "cancelled": (_UNFINISHED, "cancelled"),
    "completed": (_RUNNING, "completed"),
    "failed": (_ALIVE, "failed"),
    "webhook_delivered": (_ANY, None),
    "webhook_failed": (_ANY, None),
    "erased": (_ANY, None),
}
"""By event: the states in which it may happen, and the state it leads to (None: it stays)."""

_NOTHING = msgspec.Raw(b"null")
TOLD: frozenset[EventKind] = frozenset(
    {"approval_requested", "approved", "denied", "expired", "cancelled", "completed", "failed"}
)
"""Events a webhook is sent for."""


class StepView(msgspec.Struct, frozen=True, kw_only=True):
    """One step as its client sees it; times in Unix milliseconds."""

    name: StepName
    state: Literal["pending", "running", "completed", "failed"] = "pending"
    attempts: int = 0
    started_ms: int | None = None
    ended_ms: int | None = None
    duration_ms: int | None = None
    result: msgspec.Raw
    error: Problem | None = None


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What the events of a workflow amount to."""

    steps: tuple[StepView, ...]
    error: Problem | None
    calls: tuple[EventRow, ...]
    """The openings of the paid calls, in order."""
    interrupted: frozenset[str]
    """Those that were in flight when their process died."""
    settled: frozenset[str]
    """Those known to have ended without an answer."""
    approvals: int
    approved_by: str | None
    """The id of the key that approved."""
    expires_ms: int | None

    def step(self, name: StepName) -> StepView:
        """Return one step."""
        return self.steps[STEPS.index(name)]

    @property
    def request_ids(self) -> tuple[str, ...]:
        """Return the ledger's ids of the paid calls, in order."""
        return tuple(call.detail.request_id for call in self.calls)

    @property
    def open_call(self) -> EventRow | None:
        """Return the opening of a paid call of which nothing more is known."""
        last = self.calls[-1] if self.calls else None
        known = last is None or last.detail.request_id in self.interrupted | self.settled
        return None if known else last


def fold(events: Sequence[EventRow]) -> Progress:
    """Return the progress a list of events stands for."""
    return Progress(
        steps=tuple(_step(name, [e for e in events if e.step == name]) for name in STEPS),
        error=next((e.detail.problem for e in reversed(events) if e.kind in _ENDINGS), None),
        calls=tuple(e for e in events if e.kind == "call_opened"),
        interrupted=_named(events, "call_interrupted"),
        settled=_named(events, "call_failed"),
        approvals=sum(e.kind == "approved" for e in events),
        approved_by=next((e.detail.actor for e in reversed(events) if e.kind == "approved"), None),
        expires_ms=next((e.detail.expires_ms for e in events if e.kind == "approval_requested"), None),
    )


_ENDINGS = ("failed", "denied", "expired")


def _named(events: Iterable[EventRow], kind: EventKind) -> frozenset[str]:
    return frozenset(e.detail.request_id for e in events if e.kind == kind)


def _step(name: StepName, events: Sequence[EventRow]) -> StepView:
    starts = [e for e in events if e.kind == "step_started"]
    if not starts:
        return StepView(name=name, result=_NOTHING)
    last = next((e for e in reversed(events) if e.kind in {"step_completed", "step_failed"}), None)
    if last is None or last.seq < starts[-1].seq:
        return StepView(
            name=name,
            state="running",
            attempts=len(starts),
            started_ms=starts[0].at_ms,
            result=_NOTHING,
        )
    return StepView(
        name=name,
        state="completed" if last.kind == "step_completed" else "failed",
        attempts=len(starts),
        started_ms=starts[0].at_ms,
        ended_ms=last.at_ms,
        duration_ms=max(0, last.at_ms - starts[0].at_ms),
        result=_NOTHING if last.detail.result is UNSET else last.detail.result,
        error=last.detail.problem,
    )
