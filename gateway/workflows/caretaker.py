"""Keeps workflows going whatever dies: beats, resumes what the dead left, expires, erases."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import msgspec
import structlog

from gateway.errors import GatewayError
from gateway.settings import WorkflowSettings
from gateway.stores.workflows_base import Problem, State, WorkflowRow, WorkflowStore
from gateway.workflows.durable import Durable
from gateway.workflows.journal import Journal
from gateway.workflows.runner import Runner
from gateway.workflows.states import fold
from gateway.workflows.work import PRIORITIES

_OPEN: tuple[State, ...] = ("pending", "running", "waiting_approval")
_SWEEPER, _ERASER = "sweeper", "eraser"
_ERASE_EVERY_MS = 3_600_000
_DRIVER_KEEPS_MS = 86_400_000
_LOST = Problem(code="internal_error", message="the workflow could not be carried on; see the gateway's log")


class Caretaker(msgspec.Struct, kw_only=True):
    """One per process; of all processes on a database one at a time sweeps."""

    store: WorkflowStore
    journal: Journal
    durable: Durable
    runner: Runner
    settings: WorkflowSettings
    worker: str
    shared: bool
    """Whether other processes may submit to the same database."""
    _looked: bool = False
    _mended: set[tuple[str, State, int]] = msgspec.field(default_factory=set)

    async def watch(self) -> None:
        """Look after workflows until cancelled; the library is loaded only when there is one."""
        while True:
            try:
                await self._round()
            except GatewayError as error:
                structlog.get_logger("gateway").warning("workflows_unattended", cause=error.detail)
            except Exception:  # noqa: BLE001 - whatever it is, a dead caretaker would strand every workflow
                structlog.get_logger("gateway").exception("workflows_unattended")
            await asyncio.sleep(self.settings.lease_seconds / 3)

    async def leave(self) -> None:
        """Say that this process is gone, so that others need not wait for its lease to end."""
        with suppress(GatewayError):
            await self.store.leave(self.worker)

    async def _round(self) -> None:
        now_ms = self.journal.now_ms
        if not self.durable.started:
            wanted = (self.shared or not self._looked) and await self.store.unfinished(_OPEN)
            self._looked = True
            if not wanted:
                return await self._erase(now_ms)
            await self.durable.start()
        await self.store.beat(self.worker, now_ms)
        await self._withdraw_cancelled()
        lease_ms = int(self.settings.lease_seconds * 1000)
        if await self.store.take_turn(_SWEEPER, now_ms, lease_ms // 4):
            await self._sweep(now_ms, lease_ms)
        return await self._erase(now_ms)

    async def _withdraw_cancelled(self) -> None:
        """End what runs here of workflows that were cancelled by another machine or by command."""
        for workflow_id in self.runner.under_way:
            row = await self.store.find(workflow_id)
            if row is not None and row.state == "cancelled":
                await self.runner.withdraw(workflow_id)

    async def _sweep(self, now_ms: int, lease_ms: int) -> None:
        """Resume what no living worker runs, and queue what died between being written and being queued."""
        alive = await self.store.workers(now_ms - lease_ms)
        resumed = await self.durable.resume_orphans(alive)
        if resumed:
            structlog.get_logger("gateway").info("workflows_resumed", parts=list(resumed))
        broken, rows = await self.durable.broken(), await self.store.unfinished(_OPEN)
        self._mended &= {known for known in self._mended if known[0] in {row.id for row in rows}}
        for row in rows:
            await self._mend(row, now_ms, broken)

    async def _mend(self, row: WorkflowRow, now_ms: int, broken: frozenset[str]) -> None:
        progress = fold(await self.store.events(row.id))
        is_broken = f"{row.id}.{1 + progress.approvals}" in broken
        known = (row.id, row.state, progress.approvals)
        if known in self._mended and not is_broken:
            return
        self._mended.add(known)
        if row.state == "waiting_approval":
            left_s = ((progress.expires_ms or now_ms) - now_ms) / 1000
            await self.durable.expire_later(row.id, max(0.0, left_s))
        elif is_broken:
            await self.runner.conclude(row.id, _LOST)
        elif row.state == "pending":
            await self.durable.carry_out(row.id, 1 + progress.approvals, PRIORITIES[row.priority])

    async def _erase(self, now_ms: int) -> None:
        if await self.store.take_turn(_ERASER, now_ms, _ERASE_EVERY_MS):
            keep_ms = int(self.settings.retention_hours * 3_600_000)
            while await self.store.erase(now_ms - keep_ms, now_ms):
                pass
            if self.durable.started:
                await self.durable.forget(now_ms - _DRIVER_KEEPS_MS)
