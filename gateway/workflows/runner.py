"""Carries one step of one workflow out, on the gateway's own loop, and writes down how it went."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Literal

import msgspec
import structlog

from gateway.clock import Clock
from gateway.errors import GatewayError, Internal, StoreUnavailable
from gateway.stores.workflows_base import FINISHED, Detail, Problem, StepName, WorkflowRow, WorkflowStore
from gateway.telemetry import WorkflowMetrics
from gateway.workflows.journal import Journal
from gateway.workflows.problems import may_pass, problem_of
from gateway.workflows.states import fold
from gateway.workflows.steps import Result, Steps, WaitingForApproval
from gateway.workflows.work import Loader, Work

Said = Literal["next", "stop"]
"""Whether the workflow goes on with its next step."""


class StepRule(msgspec.Struct, frozen=True, kw_only=True):
    """How often a step is tried, how long one try may take, and how long to wait between two (seconds)."""

    attempts: int
    timeout_s: float
    wait_s: float = 0.5
    wait_factor: float = 2.0


RULES: Mapping[StepName, StepRule] = {
    "detect": StepRule(attempts=8, timeout_s=30.0),
    "analyse": StepRule(attempts=8, timeout_s=60.0),
    "decide": StepRule(attempts=8, timeout_s=30.0),
    "escalate": StepRule(attempts=6, timeout_s=30.0, wait_s=2.0),
    "execute": StepRule(attempts=5, timeout_s=3_600.0, wait_s=2.0, wait_factor=3.0),
    "validate": StepRule(attempts=8, timeout_s=60.0),
}
"""The paid call's own deadline is the router's; its rule here only bounds it."""


_DEFECT = "internal error; the operator finds it in the log by the workflow's id"


class TryAgainError(Exception):
    """A step failed in a way that may pass; the durable driver waits and calls it again."""


class Runner:
    """Steps from the driver's point of view: a name and an id go in, whether to go on comes out."""

    def __init__(
        self, *, steps: Steps, loader: Loader, journal: Journal, clock: Clock, metrics: WorkflowMetrics
    ) -> None:
        self._steps = steps
        self._loader = loader
        self._store: WorkflowStore = loader.store
        self._journal = journal
        self._clock = clock
        self._metrics = metrics
        self._under_way: dict[str, asyncio.Task[Result]] = {}

    async def perform(self, step: StepName, workflow_id: str) -> Said:
        """Carry a step out unless it has been; raise TryAgainError for what may pass."""
        row = await self._store.find(workflow_id)
        if row is None or row.state in FINISHED:
            return "stop"
        try:
            work = await self._loader.load(row)
        except Exception as error:  # noqa: BLE001 - a defect of ours ends this workflow, not the driver
            return await self._failed(row, step, error)
        known = work.progress.step(step)
        if known.state == "completed":
            return "next"
        if not await self._journal.record(
            workflow_id, "step_started", step=step, detail=Detail(attempt=known.attempts + 1)
        ):
            return "stop"
        task = asyncio.create_task(_carry_out(self._steps, step, work))
        return await self._await(row, step, task)

    async def conclude(self, workflow_id: str, problem: Problem | None = None) -> Said:
        """Write down that a workflow ended: completed, or failed with its last problem."""
        if problem is None:
            await self._journal.record(workflow_id, "completed")
            return "stop"
        steps = fold(await self._store.events(workflow_id)).steps
        last = next((step.error for step in reversed(steps) if step.error is not None), problem)
        await self._journal.record(workflow_id, "failed", detail=Detail(problem=last))
        return "stop"

    async def withdraw(self, workflow_id: str) -> None:
        """Cancel what is under way for a workflow in this process, and wait until it is undone."""
        task = self._under_way.get(workflow_id)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def settle(self) -> None:
        """Cancel every step under way and wait until its books are closed."""
        tasks = set(self._under_way.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    @property
    def under_way(self) -> tuple[str, ...]:
        """Return the workflows that have a step under way here."""
        return tuple(self._under_way)

    @property
    def running(self) -> int:
        """How many they are."""
        return len(self._under_way)

    async def _await(self, row: WorkflowRow, step: StepName, task: asyncio.Task[Result]) -> Said:
        self._under_way[row.id] = task
        began = self._clock.monotonic()
        try:
            result = await task
        except WaitingForApproval:
            return "stop"
        except asyncio.CancelledError:
            task.cancel()
            kept = await self._store.find(row.id)
            if kept is not None and kept.state == "cancelled":
                return "stop"
            raise
        except Exception as error:  # noqa: BLE001 - a defect of ours ends this workflow, not the driver
            return await self._failed(row, step, error)
        finally:
            self._under_way.pop(row.id, None)
            self._metrics.step_ended(step, self._clock.monotonic() - began, self.running)
        detail = Detail(result=msgspec.Raw(msgspec.json.encode(result)))
        await self._journal.record(row.id, "step_completed", step=step, detail=detail)
        return "next"

    async def _failed(self, row: WorkflowRow, step: StepName, failure: Exception) -> Said:
        error = failure if isinstance(failure, GatewayError) else Internal(_DEFECT)
        if error is not failure:
            structlog.get_logger("gateway").error(
                "workflow_step_failed", workflow_id=row.id, exc_info=failure
            )
        problem = problem_of(error)
        if isinstance(error, StoreUnavailable):
            raise error  # there is nowhere to write it down; the driver tries again
        await self._journal.record(row.id, "step_failed", step=step, detail=Detail(problem=problem))
        if may_pass(error):
            raise TryAgainError(problem.message)
        await self.conclude(row.id, problem)
        return "stop"


async def _carry_out(steps: Steps, step: StepName, work: Work) -> Result:
    return await steps.by_name[step](work)
