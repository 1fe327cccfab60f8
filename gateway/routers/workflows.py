"""Tasks carried out durably: submit, look, wait, cancel, approve, deny."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta

from gateway.http_values import Listing, Paging, answer, listing, read_json, read_query
from gateway.intake import read_body
from gateway.keyring import Caller
from gateway.stores.workflows_base import FINISHED, EventRow, Priority, Problem, State, WorkflowRow
from gateway.wiring import WIRING, Guarded
from gateway.workflows.desk import Desk, Submission, View
from gateway.workflows.states import StepView
from policies.pricing import usd

_ACCEPTED = 202
_KEEP_ALIVE_S = 15.0
_JSON_NULL = msgspec.Raw(b"null")


class Waiting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a status is asked for."""

    wait: Annotated[float, Meta(ge=0, le=60)] = 0.0
    """Seconds to wait for the workflow to end, or to need a person."""
    stream: bool = False
    """Server-sent events instead: the status with every change, until the end."""


class Wanted(Paging, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which workflows are listed."""

    state: State | None = None


class Judgement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a person lets a workflow go on, or not."""

    reason: Annotated[str, Meta(min_length=1, max_length=2_000)]


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What a workflow's paid calls have cost so far, by the ledger."""

    usd: str
    calls: int
    estimated: bool


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """What a person is asked to agree to."""

    reason: str
    worst_case_usd: str
    expires_ms: int


class WorkflowLine(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow in short; times in Unix milliseconds."""

    id: str
    state: State
    priority: Priority
    created_ms: int
    finished_ms: int | None
    object: Literal["escalation.workflow"] = "escalation.workflow"


class WorkflowStatus(WorkflowLine, frozen=True, kw_only=True):
    """A workflow in full."""

    steps: tuple[StepView, ...]
    cost: Cost
    approval: Approval | None
    error: Problem | None
    answer: msgspec.Raw
    """What the model answered, in the shape of the task's request; null until completed, or once erased."""
    events: Sequence[EventRow]
    """Everything that happened, oldest first."""


class WorkflowHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How the workflows of this gateway are."""

    status: Literal["ok", "off"]
    driver: Literal["asleep", "running"]
    """Asleep until the first workflow."""
    running_here: int
    concurrency: int
    states: dict[State, int]


async def submit(request: web.Request, caller: Caller) -> web.Response:
    """Take a task; the answer comes from the status."""
    desk, raw = _desk(request), await read_body(request)
    row = await desk.submit(raw, caller, request.headers.get("idempotency-key"))
    response = answer(_line(row), status=_ACCEPTED)
    response.headers["location"] = f"/v1/escalation/status/{row.id}"
    return response


async def status(request: web.Request, caller: Caller) -> web.StreamResponse:
    """Return a workflow in full, at once, after waiting, or as a stream of events."""
    desk, asked = _desk(request), read_query(request, Waiting)
    row = await desk.find(request.match_info["workflow_id"], caller.principal)
    if asked.stream or "text/event-stream" in request.headers.get("accept", ""):
        return await _stream(request, desk, row)
    if asked.wait:
        row = await desk.wait(row, asked.wait)
    return answer(_shown(await desk.view(row)))


async def cancel(request: web.Request, caller: Caller) -> web.Response:
    """End a workflow and return it."""
    desk = _desk(request)
    row = await desk.find(request.match_info["workflow_id"], caller.principal)
    await desk.cancel(row, caller.principal)
    return await _now(desk, row)


async def approve(request: web.Request, caller: Caller) -> web.Response:
    """Let a waiting workflow go on and return it."""
    desk, judgement = _desk(request), await read_json(request, Judgement)
    row = await desk.find(request.match_info["workflow_id"], caller.principal)
    await desk.approve(row, caller.principal, judgement.reason)
    return await _now(desk, row)


async def deny(request: web.Request, caller: Caller) -> web.Response:
    """End a waiting workflow and return it."""
    desk, judgement = _desk(request), await read_json(request, Judgement)
    row = await desk.find(request.match_info["workflow_id"], caller.principal)
    await desk.deny(row, caller.principal, judgement.reason)
    return await _now(desk, row)


async def list_workflows(request: web.Request, caller: Caller) -> web.Response:
    """Return the team's workflows, newest first."""
    wanted = read_query(request, Wanted)
    rows = await _desk(request).listed(caller.principal, wanted.state, wanted.page)
    return answer(listing([_line(row) for row in rows], wanted))


async def health(request: web.Request, _caller: Caller) -> web.Response:
    """Return how the workflows are; raise StoreUnavailable when their store is away."""
    desk = _desk(request)
    return answer(
        WorkflowHealth(
            status="ok" if desk.settings.enabled else "off",
            driver="running" if desk.durable.started else "asleep",
            running_here=desk.runner.running,
            concurrency=desk.settings.concurrency,
            states=await desk.store.counts(),
        )
    )


async def _stream(request: web.Request, desk: Desk, row: WorkflowRow) -> web.StreamResponse:
    """Send the status with every change until the workflow has ended; a comment keeps idle ones open."""
    response = web.StreamResponse(headers={"cache-control": "no-cache"})
    response.content_type = "text/event-stream"
    await response.prepare(request)
    seen, quiet_s = 0, 0.0
    while True:
        view = await desk.view(row)
        if view.events and view.events[-1].seq > seen:
            seen, quiet_s = view.events[-1].seq, 0.0
            data = msgspec.json.encode(_shown(view))
            await response.write(b"event: status\nid: %d\ndata: %b\n\n" % (seen, data))
        if row.state in FINISHED or desk.draining.is_set():
            break
        began = asyncio.get_running_loop().time()
        await desk.journal.changed(row.id, 0.5)
        quiet_s += asyncio.get_running_loop().time() - began
        if quiet_s >= _KEEP_ALIVE_S:
            await response.write(b": waiting\n\n")
            quiet_s = 0.0
        row = await desk.store.find(row.id) or row
    await response.write_eof()
    return response


async def _now(desk: Desk, row: WorkflowRow) -> web.Response:
    return answer(_shown(await desk.view(await desk.store.find(row.id) or row)))


def _desk(request: web.Request) -> Desk:
    return request.app[WIRING].desk


def _line(row: WorkflowRow) -> WorkflowLine:
    return WorkflowLine(
        id=row.id,
        state=row.state,
        priority=row.priority,
        created_ms=row.created_ms,
        finished_ms=row.finished_ms,
    )


def _shown(view: View) -> WorkflowStatus:
    row, calls = view.row, view.calls
    return WorkflowStatus(
        id=row.id,
        state=row.state,
        priority=row.priority,
        created_ms=row.created_ms,
        finished_ms=row.finished_ms,
        steps=view.progress.steps,
        cost=Cost(
            usd=f"{usd(sum(call.cost_nano for call in calls)):f}",
            calls=len(calls),
            estimated=any(call.estimated for call in calls),
        ),
        approval=_approval(view),
        error=view.progress.error,
        answer=_JSON_NULL if view.answer is None else msgspec.Raw(view.answer),
        events=[_brief(event) for event in view.events],
    )


def _approval(view: View) -> Approval | None:
    if view.row.state != "waiting_approval":
        return None
    asked = next(e.detail for e in view.events if e.kind == "approval_requested")
    worst_case_usd = f"{usd(asked.worst_case_nano or 0):f}"
    return Approval(reason=asked.reason, worst_case_usd=worst_case_usd, expires_ms=asked.expires_ms or 0)


def _brief(event: EventRow) -> EventRow:
    """Return the event without its result, which stands in its step."""
    if event.detail.result is UNSET:
        return event
    return msgspec.structs.replace(event, detail=msgspec.structs.replace(event.detail, result=UNSET))


ROUTES = (
    Guarded(
        method="POST",
        path="/v1/escalation/submit",
        handler=submit,
        scope="inference",
        summary="Carry a task out durably, in six steps; `Idempotency-Key` is honoured.",
        body=Submission,
        answer=WorkflowLine,
        status=_ACCEPTED,
    ),
    Guarded(
        method="GET",
        path="/v1/escalation/status/{workflow_id}",
        handler=status,
        scope="inference",
        summary="A workflow in full; `wait` long-polls, `stream` sends events.",
        query=Waiting,
        answer=WorkflowStatus,
    ),
    Guarded(
        method="GET",
        path="/v1/escalation/workflows",
        handler=list_workflows,
        scope="inference",
        summary="The team's workflows, newest first.",
        query=Wanted,
        answer=Listing[WorkflowLine],
    ),
    Guarded(
        method="DELETE",
        path="/v1/escalation/workflow/{workflow_id}",
        handler=cancel,
        scope="inference",
        summary="Cancel a workflow, its paid call included.",
        answer=WorkflowStatus,
    ),
    Guarded(
        method="POST",
        path="/v1/escalation/workflow/{workflow_id}/approve",
        handler=approve,
        scope="approval",
        summary="Let a workflow that waits for a person go on.",
        body=Judgement,
        answer=WorkflowStatus,
    ),
    Guarded(
        method="POST",
        path="/v1/escalation/workflow/{workflow_id}/deny",
        handler=deny,
        scope="approval",
        summary="End a workflow that waits for a person.",
        body=Judgement,
        answer=WorkflowStatus,
    ),
    Guarded(
        method="GET",
        path="/v1/escalation/health",
        handler=health,
        scope="inference",
        summary="How the workflows of this gateway are.",
        answer=WorkflowHealth,
    ),
)
