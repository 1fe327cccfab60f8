"""Writes workflow events down, and wakes whoever waits for one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gateway.clock import Clock
from gateway.stores.workflows_base import (
    Detail,
    EventKind,
    Happening,
    Problem,
    StepName,
    WorkflowRow,
    WorkflowStore,
)
from gateway.telemetry import WorkflowMetrics
from gateway.workflows.states import MOVES, TOLD

Tell = Callable[[str, int], Awaitable[None]]
"""Is called with a workflow and the number of an event that its webhook may want to know."""


class Journal:
    """The only writer of workflow events in this process."""

    def __init__(self, store: WorkflowStore, clock: Clock, metrics: WorkflowMetrics) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._waiting: dict[str, asyncio.Event] = {}
        self.tell: Tell | None = None

    @property
    def now_ms(self) -> int:
        """Return the time events are stamped with."""
        return int(self._clock.now() * 1000)

    async def open(self, row: WorkflowRow) -> WorkflowRow:
        """Keep a new workflow, or return the one that was submitted under the same idempotency key."""
        first = Happening(kind="submitted", detail=Detail(actor=row.key_id))
        kept = await self._store.add(row, first, row.created_ms)
        if kept.id == row.id:
            self._metrics.happened(row.id, "submitted")
        return kept

    async def record(
        self, workflow_id: str, kind: EventKind, *, step: StepName | None = None, detail: Detail | None = None
    ) -> bool:
        """Append an event if the workflow's state allows it; False when it does not."""
        among, to = MOVES[kind]
        happening = Happening(kind=kind, step=step, detail=detail or Detail(), to=to)
        seq = await self._store.record(workflow_id, happening, self.now_ms, among=among)
        if not seq:
            return False
        self._metrics.happened(workflow_id, kind, step or "")
        if (waiting := self._waiting.pop(workflow_id, None)) is not None:
            waiting.set()
        if kind in TOLD and self.tell is not None:
            await self.tell(workflow_id, seq)
        return True

    async def expire(self, workflow_id: str) -> str:
        """End a workflow that still waits for approval when its time is over."""
        problem = Problem(code="approval_expired", message="nobody approved in time", status=403)
        await self.record(workflow_id, "expired", detail=Detail(problem=problem))
        return "stop"

    async def changed(self, workflow_id: str, timeout_s: float) -> None:
        """Return when this process records something of a workflow, or after `timeout_s`."""
        waiting = self._waiting.setdefault(workflow_id, asyncio.Event())
        try:
            async with asyncio.timeout(timeout_s):
                await waiting.wait()
        except TimeoutError:
            if self._waiting.get(workflow_id) is waiting and not waiting.is_set():
                del self._waiting[workflow_id]
                waiting.set()  # others that wait for it look again, and wait on a new one

    def wake(self) -> None:
        """Let everybody who waits look again."""
        for waiting in self._waiting.values():
            waiting.set()
        self._waiting.clear()
