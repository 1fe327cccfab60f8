"""Workflows as they are kept: the row that holds the task, its append-only events, and the protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from gateway.stores.directory_base import Page

State = Literal["pending", "running", "waiting_approval", "completed", "failed", "cancelled"]
StepName = Literal["detect", "analyse", "decide", "escalate", "execute", "validate"]
STEPS: tuple[StepName, ...] = ("detect", "analyse", "decide", "escalate", "execute", "validate")
FINISHED: frozenset[State] = frozenset({"completed", "failed", "cancelled"})
Priority = Literal["low", "normal", "high", "critical"]
EventKind = Literal[
    "submitted",
    "step_started",
    "step_completed",
    "step_failed",
    "call_opened",
    "call_failed",
    "call_interrupted",
    "approval_requested",
    "approved",
    "denied",
    "expired",
    "cancelled",
    "completed",
    "failed",
    "webhook_delivered",
    "webhook_failed",
    "erased",
]


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong, as the caller may read it."""

    code: str
    message: str
    status: int = 500


class Detail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an event says beyond its kind; only the members that mean something are set."""

    attempt: int = 0
    request_id: str = ""
    """The ledger's id of the paid call the event speaks of."""
    home: str = ""
    """Whose spool knows whether that call was ever sent."""
    actor: str = ""
    """The id of the key that acted, or of the worker that opened a call."""
    reason: str = ""
    worst_case_nano: int | None = None
    expires_ms: int | None = None
    target: str = ""
    """The host a webhook went to."""
    problem: Problem | None = None
    result: msgspec.Raw | UnsetType = UNSET


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to a workflow; never changed, never removed."""

    workflow_id: str
    seq: int
    at_ms: int
    kind: EventKind
    step: StepName | None = None
    detail: Detail = Detail()


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """An event before it has a place in its workflow's list; `to` is the state it leads to."""

    kind: EventKind
    step: StepName | None = None
    detail: Detail = Detail()
    to: State | None = None


class WorkflowRow(msgspec.Struct, frozen=True, kw_only=True):
    """One workflow: whose it is, what was asked, where it stands."""

    id: str
    team_id: str
    key_id: str
    created_ms: int
    state: State
    priority: Priority
    task: str
    """The task as JSON; empty once it was erased."""
    idempotency: str | None = None
    """What makes a repeated submission the same one; unique within a team."""
    digest: str = ""
    """Hash of the submitted body."""
    webhook: str = ""
    finished_ms: int | None = None


class CallRow(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger says of one paid call of a workflow."""

    request_id: str
    status: str
    cost_nano: int
    estimated: bool


class WorkflowStore(Protocol):
    """Where workflows and their events are kept; every method raises StoreUnavailable."""

    async def add(self, row: WorkflowRow, first: Happening, at_ms: int) -> WorkflowRow:
        """Keep a new workflow with its first event.

        Returns the one that is there when its team has used the idempotency key before, which has another id.
        """
        ...

    async def find(self, workflow_id: str) -> WorkflowRow | None:
        """Return a workflow by its id."""
        ...

    async def listed(self, team_id: str | None, state: State | None, page: Page) -> Sequence[WorkflowRow]:
        """Return workflows without their tasks, newest first, past the one with the id `page.after`."""
        ...

    async def record(
        self, workflow_id: str, happening: Happening, at_ms: int, *, among: frozenset[State]
    ) -> int:
        """Append an event, take its state, return its number; 0, with nothing done, from other states."""
        ...

    async def events(self, workflow_id: str, after: int = 0) -> Sequence[EventRow]:
        """Return the events past the one numbered `after`, in order."""
        ...

    async def answer(self, workflow_id: str) -> bytes | None:
        """Return the paid answer, if one was ever received."""
        ...

    async def calls(self, request_ids: Sequence[str]) -> Sequence[CallRow]:
        """Return what the ledger holds of these requests."""
        ...

    async def unfinished(self, states: Sequence[State]) -> Sequence[WorkflowRow]:
        """Return the workflows in these states, without their tasks, oldest first."""
        ...

    async def counts(self) -> dict[State, int]:
        """Return how many workflows stand in each state."""
        ...

    async def waiting(self, team_id: str, states: Sequence[State]) -> int:
        """Return how many workflows of a team stand in these states."""
        ...

    async def erase(self, finished_before_ms: int, at_ms: int) -> int:
        """Remove tasks and answers of workflows that finished earlier; events stay. Return how many."""
        ...

    async def beat(self, worker: str, at_ms: int) -> None:
        """Say that a worker is alive."""
        ...

    async def leave(self, worker: str) -> None:
        """Say that a worker is gone."""
        ...

    async def workers(self, seen_since_ms: int) -> frozenset[str]:
        """Return the workers that were alive since then."""
        ...

    async def take_turn(self, role: str, at_ms: int, lease_ms: int) -> bool:
        """Tell whether the caller, of all that ask, may play `role` for the next `lease_ms`."""
        ...
