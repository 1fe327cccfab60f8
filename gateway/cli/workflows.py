"""`gateway workflows`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar, get_args

import click
import msgspec

from gateway.cli.options import config_option, open_configuration, with_books
from gateway.clock import SystemClock
from gateway.errors import Conflict, NotFound
from gateway.stores.base import Page
from gateway.stores.sql_books import SqlBooks
from gateway.stores.workflows_base import (
    Detail,
    EventKind,
    EventRow,
    Happening,
    Problem,
    State,
    WorkflowRow,
    WorkflowStore,
)
from gateway.workflows.states import MOVES, Progress, fold
from policies.pricing import usd

T = TypeVar("T")
ACTOR = "cli"
reason_option = click.option("--reason", required=True, help="Why; it is kept with the workflow.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("workflows")
def command() -> None:
    """List, show, cancel, approve and deny escalation workflows."""


@command.command("list")
@config_option
@click.option("--state", type=click.Choice(get_args(State)), default=None, help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, help="How many, newest first.")
@json_option
def list_workflows(*, config: Path | None, state: State | None, limit: int, as_json: bool) -> None:
    """List the newest workflows of all teams."""
    rows = _with_store(config, lambda store: store.listed(None, state, Page(limit=limit)))
    if as_json:
        click.echo(msgspec.json.encode([_line(row) for row in rows]).decode())
        return
    for row in rows:
        click.echo(f"{row.id}  {row.state:16} {row.priority:8} {_clock(row.created_ms)}  {row.team_id}")


@command.command("show")
@config_option
@click.argument("workflow_id")
@json_option
def show(*, config: Path | None, workflow_id: str, as_json: bool) -> None:
    """Show the steps and every event of WORKFLOW_ID."""

    async def read(store: WorkflowStore) -> tuple[WorkflowRow, list[EventRow]]:
        return await _find(store, workflow_id), list(await store.events(workflow_id))

    row, events = _with_store(config, read)
    progress = fold(events)
    if as_json:
        shown = _line(row) | {"steps": progress.steps, "events": events, "error": progress.error}
        click.echo(msgspec.json.encode(shown).decode())
        return
    _print(row, events, progress)


@command.command("cancel")
@config_option
@click.argument("workflow_id")
def cancel(*, config: Path | None, workflow_id: str) -> None:
    """End WORKFLOW_ID; a running gateway ends its paid call within seconds."""
    _act(config, workflow_id, "cancelled", Detail(actor=ACTOR))


@command.command("approve")
@config_option
@click.argument("workflow_id")
@reason_option
def approve(*, config: Path | None, workflow_id: str, reason: str) -> None:
    """Let WORKFLOW_ID go on; a running gateway does so within seconds."""
    _act(config, workflow_id, "approved", Detail(actor=ACTOR, reason=reason[:2_000]))


@command.command("deny")
@config_option
@click.argument("workflow_id")
@reason_option
def deny(*, config: Path | None, workflow_id: str, reason: str) -> None:
    """End WORKFLOW_ID, which waits for approval."""
    reason = reason[:2_000]
    problem = Problem(code="approval_denied", message=f"approval was denied: {reason}", status=403)
    _act(config, workflow_id, "denied", Detail(actor=ACTOR, reason=reason, problem=problem))


def _act(config: Path | None, workflow_id: str, kind: EventKind, detail: Detail) -> None:
    """Write an event down as the gateway would; raise Conflict where the state forbids it."""
    among, to = MOVES[kind]

    async def write(store: WorkflowStore) -> None:
        await _find(store, workflow_id)
        now_ms = int(SystemClock().now() * 1000)
        happening = Happening(kind=kind, detail=detail, to=to)
        if not await store.record(workflow_id, happening, now_ms, among=among):
            row = await _find(store, workflow_id)
            raise Conflict(f"the workflow is {row.state}; that cannot be done to it")

    _with_store(config, write)
    click.echo(f"workflow {workflow_id} {kind}")


def _with_store(config: Path | None, work: Callable[[WorkflowStore], Awaitable[T]]) -> T:
    async def run(books: SqlBooks, _directory: object) -> T:
        return await work(books.workflows)

    return with_books(open_configuration(config, need_secrets=False), run)


async def _find(store: WorkflowStore, workflow_id: str) -> WorkflowRow:
    row = await store.find(workflow_id)
    if row is None:
        raise NotFound(f"no workflow is called `{workflow_id[:64]}`; see `gateway workflows list`")
    return row


def _line(row: WorkflowRow) -> dict[str, object]:
    """Return a workflow without its task."""
    kept = ("id", "team_id", "key_id", "state", "priority", "created_ms", "finished_ms")
    return {name: getattr(row, name) for name in kept}


def _print(row: WorkflowRow, events: list[EventRow], progress: Progress) -> None:
    click.echo(f"{row.id}  {row.state}  {row.priority}  team {row.team_id}  key {row.key_id}")
    for step in progress.steps:
        took = "" if step.duration_ms is None else f"{step.duration_ms} ms"
        said = f"  {step.error.message}" if step.error and step.state == "failed" else ""
        click.echo(f"  {step.name:10} {step.state:10} {step.attempts} tries {took:>10}{said}")
    for event in events:
        click.echo(f"  {event.seq:4} {_clock(event.at_ms)}  {event.kind:18} {_said(event)}".rstrip())


def _said(event: EventRow) -> str:
    """Return what an event says besides its kind, in one line."""
    detail = event.detail
    parts = [event.step or "", detail.request_id, detail.reason, detail.problem and detail.problem.message]
    if detail.actor:
        parts.append(f"by {detail.actor}")
    if detail.worst_case_nano is not None:
        parts.append(f"up to ${usd(detail.worst_case_nano):.6f}")
    return "  ".join(part.replace("\n", " ") for part in parts if part)


def _clock(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(sep=" ", timespec="milliseconds")[:23]
