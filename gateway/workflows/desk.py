"""What routers and commands ask of workflows: submit, look, wait, cancel, approve, deny."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from gateway.clock import new_id
from gateway.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    RateLimited,
)
from gateway.exchange import Exchange, Principal
from gateway.keyring import ADMIN_TEAM, Caller
from gateway.settings import WorkflowSettings
from gateway.stores.directory_base import Page
from gateway.stores.workflows_base import (
    FINISHED,
    CallRow,
    Detail,
    EventKind,
    EventRow,
    Problem,
    State,
    WorkflowRow,
    WorkflowStore,
)
from gateway.tasks import Task, decode_task
from gateway.workflows.durable import Durable
from gateway.workflows.journal import Journal
from gateway.workflows.runner import Runner
from gateway.workflows.states import Progress, fold
from gateway.workflows.webhooks import Bells
from gateway.workflows.work import PRIORITIES, Loader, Order, order_of

_LOOK_AGAIN_S = 0.5
"""How often a change made by another process is looked for."""
_UNFINISHED: tuple[State, ...] = ("pending", "running", "waiting_approval")
_MOST_KEY_CHARS = 255


class Submission(Task, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task to be carried out, and who is to be told."""

    webhook: str = ""
    """An https URL that is told when the workflow waits for approval or ends."""

    def task(self) -> Task:
        """Return the task alone."""
        return Task(**{name: getattr(self, name) for name in Task.__struct_fields__})


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow with all that is known of it."""

    row: WorkflowRow
    events: Sequence[EventRow]
    progress: Progress
    calls: Sequence[CallRow]
    answer: bytes | None


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """The front of the workflows; every method raises NotFound for what is another team's."""

    store: WorkflowStore
    journal: Journal
    loader: Loader
    runner: Runner
    durable: Durable
    bells: Bells
    settings: WorkflowSettings
    draining: asyncio.Event

    async def submit(self, raw: bytes, caller: Caller, idempotency_key: str | None) -> WorkflowRow:
        """Keep a task and queue it; the same key with the same body is the same workflow.

        Raise PayloadTooLarge, InvalidRequest, ModelNotFound, RateLimited; Conflict for a key used with
        another body.
        """
        self._check_open()
        if len(raw) > self.settings.max_task_bytes:
            limit = self.settings.max_task_bytes
            raise PayloadTooLarge(f"the task is larger than {limit} bytes; send less of it")
        submission = decode_task(raw, Submission)
        if submission.webhook:
            await self.bells.vet(submission.webhook)
        order = Order(task=submission.task())
        await self.loader.weigh(order, caller)
        row = self._row(order, caller.principal, digest=hashlib.blake2b(raw, digest_size=16).hexdigest())
        row = msgspec.structs.replace(
            row, idempotency=_idempotency(idempotency_key), webhook=submission.webhook
        )
        await self._check_room(row)
        kept = await self.journal.open(row)
        if kept.id != row.id and kept.digest != row.digest:
            raise Conflict("this idempotency key was used with another body; choose another key")
        if kept.state == "pending":
            self.durable.carry_out_soon(kept.id, 1, PRIORITIES[kept.priority])
        return kept

    async def ask_approval(
        self, exchange: Exchange, headers: Mapping[str, str], caller: Caller
    ) -> str | None:
        """Keep a client's request for a person to judge; the same request asked again is the same workflow.

        One that was denied, expired or failed is asked for anew. None where workflows are switched off.
        """
        if not self.settings.enabled or self.draining.is_set():
            return None
        order = order_of(exchange, headers)
        digest = hashlib.blake2b(msgspec.json.encode(order), digest_size=16).hexdigest()
        row, key = self._row(order, caller.principal, digest=digest), digest
        await self._check_room(row)
        kept = await self.journal.open(msgspec.structs.replace(row, idempotency=f"approval.{key}"))
        while kept.state in {"failed", "cancelled"}:
            key = hashlib.blake2b(f"{key}{kept.id}".encode(), digest_size=16).hexdigest()
            kept = await self.journal.open(msgspec.structs.replace(row, idempotency=f"approval.{key}"))
        if kept.state == "pending":
            self.durable.carry_out_soon(kept.id, 1, PRIORITIES[kept.priority])
        return kept.id

    async def find(self, workflow_id: str, principal: Principal) -> WorkflowRow:
        """Return a workflow the caller may see; raise NotFound."""
        row = await self.store.find(workflow_id) if workflow_id.isascii() else None
        if row is None or principal.team_id not in {row.team_id, ADMIN_TEAM}:
            raise NotFound("no such workflow; see the id that submitting it returned")
        return row

    async def view(self, row: WorkflowRow) -> View:
        """Return what is known of a workflow now."""
        events = await self.store.events(row.id)
        progress = fold(events)
        calls = await self.store.calls(progress.request_ids) if progress.request_ids else ()
        answer = await self.store.answer(row.id) if row.state == "completed" else None
        return View(row=row, events=events, progress=progress, calls=calls, answer=answer)

    async def wait(self, row: WorkflowRow, timeout_s: float) -> WorkflowRow:
        """Return the workflow once it has ended or waits for a person, at the latest after `timeout_s`."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        while row.state in {"pending", "running"} and not self.draining.is_set():
            left = until - loop.time()
            if left <= 0:
                break
            await self.journal.changed(row.id, min(left, _LOOK_AGAIN_S))
            row = await self.store.find(row.id) or row
        return row

    async def cancel(self, row: WorkflowRow, principal: Principal) -> None:
        """End a workflow, its paid call included; raise Conflict when it has ended."""
        detail = Detail(actor=principal.key_id)
        if not await self.journal.record(row.id, "cancelled", detail=detail):
            now = await self.store.find(row.id) or row
            raise Conflict(f"the workflow has ended ({now.state}); it cannot be cancelled")
        await self.runner.withdraw(row.id)
        if self.durable.started:  # elsewhere it is seen by the caretaker, or when its next step is due
            await self.durable.cancel(row.id, 1 + fold(await self.store.events(row.id)).approvals)

    async def approve(self, row: WorkflowRow, principal: Principal, reason: str) -> None:
        """Let a waiting workflow go on; raise Forbidden for its own submitter, Conflict if none waits."""
        await self._judge(row, principal, "approved", Detail(actor=principal.key_id, reason=reason))
        parts = 1 + fold(await self.store.events(row.id)).approvals
        self.durable.carry_out_soon(row.id, parts, PRIORITIES[row.priority])

    async def deny(self, row: WorkflowRow, principal: Principal, reason: str) -> None:
        """End a waiting workflow; raise as `approve` does."""
        problem = Problem(code="approval_denied", message=f"approval was denied: {reason}", status=403)
        detail = Detail(actor=principal.key_id, reason=reason, problem=problem)
        await self._judge(row, principal, "denied", detail)

    def stop(self) -> None:
        """Let clients that wait for a workflow go, and take no more from the queues."""
        self.draining.set()
        self.journal.wake()
        self.durable.hush()

    async def listed(self, principal: Principal, state: State | None, page: Page) -> Sequence[WorkflowRow]:
        """Return the caller's team's workflows, newest first; all teams' for an administrator."""
        team_id = None if principal.team_id == ADMIN_TEAM else principal.team_id
        return await self.store.listed(team_id, state, page)

    async def _judge(self, row: WorkflowRow, principal: Principal, kind: EventKind, detail: Detail) -> None:
        if principal.key_id == row.key_id and not self.settings.self_approval:
            raise Forbidden("the key that submitted a workflow may not judge it; ask another person")
        expires_ms = fold(await self.store.events(row.id)).expires_ms
        late = expires_ms is not None and self.journal.now_ms >= expires_ms
        if late or not await self.journal.record(row.id, kind, detail=detail):
            now = await self.store.find(row.id) or row
            state = "expired" if late and now.state not in FINISHED else now.state
            raise Conflict(f"the workflow does not wait for approval (it is {state})")

    def _row(self, order: Order, principal: Principal, *, digest: str) -> WorkflowRow:
        now_ms = self.journal.now_ms
        return WorkflowRow(
            id=new_id("wf", now_ms / 1000),
            team_id=principal.team_id,
            key_id=principal.key_id,
            created_ms=now_ms,
            state="pending",
            priority=order.task.priority,
            task=msgspec.json.encode(order).decode(),
            digest=digest,
        )

    def _check_open(self) -> None:
        if not self.settings.enabled:
            raise Forbidden("workflows are switched off in this gateway; see `workflows.enabled`")
        if self.draining.is_set():
            raise Overloaded("the gateway is stopping; submit again", retry_after_s=5.0)

    async def _check_room(self, row: WorkflowRow) -> None:
        waiting = await self.store.waiting(row.team_id, _UNFINISHED)
        if waiting >= self.settings.max_waiting:
            raise RateLimited(
                f"{waiting} workflows of this team have not ended yet; wait for some of them",
                retry_after_s=30.0,
            )


def _idempotency(key: str | None) -> str | None:
    """Return what is kept of an idempotency key: a digest, so that its length and text do not matter."""
    if key is None:
        return None
    if not 0 < len(key) <= _MOST_KEY_CHARS:
        raise InvalidRequest("an idempotency key has 1 to 255 characters", param="idempotency-key")
    return hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=20).hexdigest()
