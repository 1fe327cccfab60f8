"""The durable driver: DBOS Transact, embedded, in threads of its own. The only importer of dbos.

It remembers which steps are done and calls the others again after a crash; everything a step knows and
leaves behind is in the books, so what is kept here are ids. It runs on its own event loop and hands every
step to the gateway's, so that its polling never stands in a request's way.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextvars import Context
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import structlog

from gateway.errors import Internal, StoreUnavailable
from gateway.stores.workflows_base import STEPS, Problem, StepName
from gateway.workflows.runner import RULES, StepRule, TryAgainError

if TYPE_CHECKING:
    from dbos import DBOS, StepOptions

Driver = Callable[..., Coroutine[None, None, None]]
SCHEMA_VERSION = "1"
"""Workflows under way are carried on by any version of the gateway that has the same one."""
QUEUE, BELLS = "gateway_escalations", "gateway_webhooks"
BELLS_AT_A_TIME = 8
BELL = StepRule(attempts=8, timeout_s=30.0, wait_s=2.0, wait_factor=3.0)
"""A webhook is tried for about two hours."""
_LASTING = StepRule(attempts=10, timeout_s=60.0, wait_s=1.0)
"""For what only the books can keep from succeeding."""
_MOST_RECOVERIES = 100
_GIVEN_UP = ("ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
_MOST_LISTED = 1_000
_POLL_S = 0.2
_only_one = threading.Lock()
"""The library keeps its state in globals: a second one would take over the first one's."""
_log = structlog.get_logger("gateway")


class Driven(msgspec.Struct, frozen=True, kw_only=True):
    """What the driver calls back."""

    perform: Callable[[StepName, str], Coroutine[object, object, str]]
    conclude: Callable[[str, Problem | None], Coroutine[object, object, str]]
    expire: Callable[[str], Coroutine[object, object, str]]
    ring: Callable[[str, int], Coroutine[object, object, str]]
    """Deliver the webhook of one event; raises TryAgainError."""
    silence: Callable[[str, int], Coroutine[object, object, str]]
    """Write down that a webhook was given up."""
    arrive: Callable[[], Coroutine[object, object, None]]
    """Say that this process lives; called before anything is taken over."""


class Durable:
    """Starts, resumes and ends workflows by id. Not started until the first one is wanted."""

    def __init__(
        self, *, url: str, worker: str, concurrency: int, driven: Driven, bell: StepRule = BELL
    ) -> None:
        self._url = url
        self._worker = worker
        self._concurrency = concurrency
        self._driven = driven
        self._bell = bell
        self._functions: Mapping[str, Driver] = {}
        self._starting = asyncio.Lock()
        self._queueing: set[asyncio.Task[None]] = set()
        self._dbos: DBOS | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def started(self) -> bool:
        """Whether the library is loaded and drives."""
        return self._dbos is not None

    async def start(self) -> None:
        """Load and launch the library, once; about two seconds off the loop."""
        async with self._starting:
            if self._dbos is None:
                await self._driven.arrive()
                self._loop = asyncio.get_running_loop()
                self._dbos = await asyncio.to_thread(self._launch)
                _log.info("workflows_started", worker=self._worker, concurrency=self._concurrency)

    def carry_out_soon(self, workflow_id: str, part: int, priority: int) -> None:
        """Queue a part without waiting for it; what fails here, the caretaker queues later."""
        task = asyncio.create_task(self.carry_out(workflow_id, part, priority))
        self._queueing.add(task)
        task.add_done_callback(self._queued)

    async def carry_out(self, workflow_id: str, part: int, priority: int) -> None:
        """Queue a part of a workflow: from its first step, or from `escalate` after each approval."""
        first = 0 if part == 1 else STEPS.index("escalate")
        await self._queue(QUEUE, f"{workflow_id}.{part}", "escalation", workflow_id, first, priority=priority)

    async def expire_later(self, workflow_id: str, delay_s: float) -> None:
        """Queue the end of a workflow's wait for approval."""
        await self._queue(QUEUE, f"{workflow_id}.expiry", "expiry", workflow_id, delay_s=delay_s)

    async def ring(self, workflow_id: str, seq: int) -> None:
        """Queue the webhook of one event; a second time changes nothing."""
        await self._queue(BELLS, f"{workflow_id}.bell.{seq}", "bell", workflow_id, seq)

    async def cancel(self, workflow_id: str, parts: int) -> None:
        """End all parts of a workflow, wherever they run."""
        from dbos import DBOS

        names = [*(f"{workflow_id}.{part}" for part in range(1, parts + 1)), f"{workflow_id}.expiry"]
        await asyncio.to_thread(DBOS.cancel_workflows, names)

    async def resume_orphans(self, alive: frozenset[str]) -> Sequence[str]:
        """Queue again what was running in workers that are gone; return the names of the parts."""
        from dbos import DBOS

        def work() -> list[str]:
            orphans: dict[str, list[str]] = {}
            for status in DBOS.list_workflows(status="PENDING", load_input=False, load_output=False):
                if status.executor_id not in alive:
                    queue = BELLS if ".bell." in status.workflow_id else QUEUE
                    orphans.setdefault(queue, []).append(status.workflow_id)
            for queue, names in orphans.items():
                DBOS.resume_workflows(names, queue_name=queue)
            return [name for names in orphans.values() for name in names]

        return await asyncio.to_thread(work)

    async def broken(self) -> frozenset[str]:
        """Return the names of the parts the library has given up."""
        return frozenset(await self._ended(_GIVEN_UP, None))

    async def forget(self, before_ms: int) -> None:
        """Remove what the library keeps of parts that ended before then; the books keep all that matters."""
        from dbos import DBOS

        until = datetime.fromtimestamp(before_ms / 1000, UTC).isoformat()
        while names := await self._ended((*_GIVEN_UP, "SUCCESS", "CANCELLED"), until):
            await asyncio.to_thread(DBOS.delete_workflows, names)

    async def _ended(self, states: Sequence[str], until: str | None) -> list[str]:
        from dbos import DBOS

        def work() -> list[str]:
            found = DBOS.list_workflows(
                status=list(states),
                completed_before=until,
                limit=_MOST_LISTED,
                load_input=False,
                load_output=False,
            )
            return [status.workflow_id for status in found]

        return await asyncio.to_thread(work)

    def hush(self) -> None:
        """Take no more from the queues; what runs goes on."""
        if self._dbos is not None:
            for event in self._dbos.background_thread_stop_events:
                event.set()

    async def close(self) -> None:
        """Let go; what is under way is left for the next start."""
        if self._queueing:
            await asyncio.wait(self._queueing)
        dbos, self._dbos = self._dbos, None
        if dbos is not None:
            await asyncio.to_thread(dbos.destroy, destroy_registry=True)
            _only_one.release()

    def _queued(self, task: asyncio.Task[None]) -> None:
        self._queueing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("workflow_not_queued", cause=f"{type(error).__name__}: {error}")

    def _launch(self) -> DBOS:
        if not _only_one.acquire(blocking=False):
            raise Internal("the workflows of another gateway run in this process; run one to a process")
        _forward_log()
        _make_private(self._url)
        from dbos import DBOS, DBOSPortableJSONSerializer

        dbos = DBOS(
            config={
                "name": "gateway",
                "system_database_url": self._url,
                "dbos_system_schema": "gateway_workflows",
                "application_version": SCHEMA_VERSION,
                "executor_id": self._worker,
                "serializer": DBOSPortableJSONSerializer(),
                "log_level": "WARNING",
                "sys_db_pool_size": 8,
            }
        )
        self._functions = self._registered()
        DBOS.launch()
        for queue, at_a_time in ((QUEUE, self._concurrency), (BELLS, BELLS_AT_A_TIME)):
            DBOS.register_queue(
                queue,
                worker_concurrency=at_a_time,
                polling_interval_sec=_POLL_S,
                on_conflict="always_update",
            )
        return dbos

    def _registered(self) -> Mapping[str, Driver]:
        """Register what the library may call; it wants plain functions."""
        from dbos import DBOS

        async def escalation(workflow_id: str, first: int) -> None:
            await self._carry(workflow_id, first)

        async def expiry(workflow_id: str) -> None:
            await self._expire(workflow_id)

        async def bell(workflow_id: str, seq: int) -> None:
            await self._ring(workflow_id, seq)

        made: Mapping[str, Driver] = {"escalation": escalation, "expiry": expiry, "bell": bell}
        return {
            name: DBOS.workflow(name=name, max_recovery_attempts=_MOST_RECOVERIES)(function)
            for name, function in made.items()
        }

    async def _queue(
        self,
        queue: str,
        name: str,
        function: str,
        *arguments: str | int,
        priority: int = 1,
        delay_s: float | None = None,
    ) -> None:
        await self.start()
        from dbos import DBOS, SetEnqueueOptions, SetWorkflowID

        def work() -> None:
            with SetWorkflowID(name), SetEnqueueOptions(priority=priority, delay_seconds=delay_s):
                DBOS.enqueue_workflow(queue, self._functions[function], *arguments)

        await asyncio.to_thread(work)

    async def _carry(self, workflow_id: str, first: int) -> None:
        """Drive the steps from `first` on. Runs on the library's loop, and again after a crash."""
        for step in STEPS[first:]:
            said = await self._step(step, RULES[step], self._driven.perform, step, workflow_id)
            if said is None:
                words = f"step `{step}` did not succeed within its attempts"
                problem = Problem(code="gave_up", message=words)
                await self._step("conclude", _LASTING, self._driven.conclude, workflow_id, problem)
            if said != "next":
                return
        await self._step("conclude", _LASTING, self._driven.conclude, workflow_id, None)

    async def _expire(self, workflow_id: str) -> None:
        await self._step("expire", _LASTING, self._driven.expire, workflow_id)

    async def _ring(self, workflow_id: str, seq: int) -> None:
        said = await self._step("ring", self._bell, self._driven.ring, workflow_id, seq)
        if said is None:
            await self._step("silence", _LASTING, self._driven.silence, workflow_id, seq)

    async def _step(
        self,
        name: str,
        rule: StepRule,
        function: Callable[..., Coroutine[object, object, str]],
        *arguments: object,
    ) -> str | None:
        """Return what a durable step on the gateway's loop says; None when it used up its attempts."""
        from dbos import DBOS, PortableWorkflowError, error

        loop = self._loop
        if loop is None:
            raise asyncio.CancelledError

        async def hand_over() -> str:
            # In a context of its own: on the gateway's loop nothing is inside the library's workflow.
            future = Context().run(asyncio.run_coroutine_threadsafe, function(*arguments), loop)
            try:
                return await asyncio.wrap_future(future)
            except StoreUnavailable as failure:
                raise TryAgainError(failure.message) from None

        options: StepOptions = {
            "name": name,
            "retries_allowed": True,
            "max_attempts": rule.attempts,
            "interval_seconds": rule.wait_s,
            "backoff_rate": rule.wait_factor,
            "should_retry": lambda failure: isinstance(failure, TryAgainError),
            "preemptible": True,
            "timeout_seconds": rule.timeout_s,
        }
        try:
            return await DBOS.run_step_async(options, hand_over)
        except (
            TryAgainError,
            error.DBOSMaxStepRetriesExceeded,
            error.DBOSStepTimeoutError,
            PortableWorkflowError,
        ):
            return None  # the last of them is what the others become when they are read back


def _make_private(url: str) -> None:
    """Make the SQLite file, where there is none, for the owner's eyes only."""
    path = url.removeprefix("sqlite:///")
    if path != url:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _forward_log() -> None:
    """Send the library's warnings where the gateway's go, instead of to a console of its own."""
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    logger.propagate = True
