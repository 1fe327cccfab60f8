"""Workflows in SQL. A change of state and the event that tells of it are one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import Connection, Select, Table, delete, func, insert, select, update
from sqlalchemy.dialects import sqlite

from gateway.stores.database import Database
from gateway.stores.directory_base import Page
from gateway.stores.schema import (
    requests,
    workflow_answers,
    workflow_events,
    workflow_workers,
    workflows,
)
from gateway.stores.workflows_base import (
    FINISHED,
    CallRow,
    Detail,
    EventRow,
    Happening,
    State,
    WorkflowRow,
)

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

_MOST_LISTED = 1_000
_DAY_MS = 86_400_000
_decode_detail = msgspec.json.Decoder(Detail).decode


class SqlWorkflows:
    """Workflows in the books' database; see `WorkflowStore` for what each method promises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, row: WorkflowRow, first: Happening, at_ms: int) -> WorkflowRow:
        """Keep a new workflow with its first event, or return the one its idempotency key made before."""

        def work(connection: Connection) -> WorkflowRow:
            values = msgspec.structs.asdict(row) | {"task": row.task.replace("\0", "")}
            insertion = _insertion(connection, workflows).values(values)
            new = insertion.on_conflict_do_nothing().returning(workflows.c.id)
            if connection.scalar(new) is not None:  # PostgreSQL's driver counts no rows here
                _append(connection, row.id, first, at_ms)
                return row
            same_key = (workflows.c.team_id == row.team_id, workflows.c.idempotency == row.idempotency)
            return _read(connection, select(*workflows.c).where(*same_key))[0]

        return await self._database.run(work)

    async def find(self, workflow_id: str) -> WorkflowRow | None:
        """Return a workflow by its id."""
        query = select(*workflows.c).where(workflows.c.id == workflow_id)
        rows = await self._database.run(lambda connection: _read(connection, query))
        return rows[0] if rows else None

    async def listed(self, team_id: str | None, state: State | None, page: Page) -> Sequence[WorkflowRow]:
        """Return workflows without their tasks, newest first."""
        query = _without_tasks().order_by(workflows.c.id.desc()).limit(page.limit)
        if team_id is not None:
            query = query.where(workflows.c.team_id == team_id)
        if state is not None:
            query = query.where(workflows.c.state == state)
        if page.after is not None:
            query = query.where(workflows.c.id < page.after)
        return await self._database.run(lambda connection: _read(connection, query))

    async def record(
        self, workflow_id: str, happening: Happening, at_ms: int, *, among: frozenset[State]
    ) -> int:
        """Append an event and take its state, unless the workflow stands in none of the states `among`."""

        def work(connection: Connection) -> int:
            to = happening.to
            values: dict[str, str | int] = {} if to is None else {"state": to}
            if to in FINISHED:
                values["finished_ms"] = at_ms
            here = (workflows.c.id == workflow_id, workflows.c.state.in_(among))
            # Writing first takes the lock, so that of two transitions one sees the other's state.
            change = update(workflows).where(*here).values(values or {"state": workflows.c.state})
            if not connection.execute(change).rowcount:
                return 0
            return _append(connection, workflow_id, happening, at_ms)

        return await self._database.run(work)

    async def events(self, workflow_id: str, after: int = 0) -> Sequence[EventRow]:
        """Return the events past the one numbered `after`, in order."""
        events = workflow_events.c
        query = select(*events).where(events.workflow_id == workflow_id, events.seq > after)

        def work(connection: Connection) -> list[EventRow]:
            rows = connection.execute(query.order_by(events.seq)).mappings()
            return [EventRow(**{**row, "detail": _decode_detail(row["detail"])}) for row in rows]

        return await self._database.run(work)

    async def answer(self, workflow_id: str) -> bytes | None:
        """Return the paid answer, if one was ever received."""
        query = select(workflow_answers.c.body).where(workflow_answers.c.workflow_id == workflow_id)
        body = await self._database.run(lambda connection: connection.scalar(query))
        return None if body is None else body.encode()

    async def calls(self, request_ids: Sequence[str]) -> Sequence[CallRow]:
        """Return what the ledger holds of these requests."""
        r = requests.c
        query = select(r.id.label("request_id"), r.status, r.cost_nano, r.estimated)
        query = query.where(r.id.in_(request_ids)).order_by(r.at_ms)
        return await self._database.run(
            lambda connection: [CallRow(**row) for row in connection.execute(query).mappings()]
        )

    async def unfinished(self, states: Sequence[State]) -> Sequence[WorkflowRow]:
        """Return the workflows in these states, without their tasks, oldest first."""
        query = _without_tasks().where(workflows.c.state.in_(states)).order_by(workflows.c.id)
        return await self._database.run(lambda connection: _read(connection, query.limit(_MOST_LISTED)))

    async def counts(self) -> dict[State, int]:
        """Return how many workflows stand in each state."""
        query = select(workflows.c.state, func.count()).group_by(workflows.c.state)
        rows = await self._database.run(lambda connection: connection.execute(query).all())
        return msgspec.convert(dict(map(tuple, rows)), dict[State, int])

    async def waiting(self, team_id: str, states: Sequence[State]) -> int:
        """Return how many workflows of a team stand in these states."""
        own = (workflows.c.team_id == team_id, workflows.c.state.in_(states))
        query = select(func.count()).select_from(workflows).where(*own)
        return await self._database.run(lambda connection: connection.scalar(query) or 0)

    async def erase(self, finished_before_ms: int, at_ms: int) -> int:
        """Remove tasks and answers of workflows that finished earlier; events stay."""
        old = (
            workflows.c.finished_ms.is_not(None),
            workflows.c.finished_ms < finished_before_ms,
            workflows.c.task != "",
        )

        def work(connection: Connection) -> int:
            ids = list(connection.scalars(select(workflows.c.id).where(*old).limit(_MOST_LISTED)))
            connection.execute(delete(workflow_answers).where(workflow_answers.c.workflow_id.in_(ids)))
            connection.execute(update(workflows).where(workflows.c.id.in_(ids)).values(task=""))
            connection.execute(delete(workflow_workers).where(workflow_workers.c.seen_ms < at_ms - _DAY_MS))
            for workflow_id in ids:
                _append(connection, workflow_id, Happening(kind="erased"), at_ms)
            return len(ids)

        return await self._database.run(work)

    async def beat(self, worker: str, at_ms: int) -> None:
        """Say that a worker is alive."""

        def work(connection: Connection) -> None:
            here = workflow_workers.c.id == worker
            if not connection.execute(update(workflow_workers).where(here).values(seen_ms=at_ms)).rowcount:
                connection.execute(insert(workflow_workers).values(id=worker, seen_ms=at_ms))

        await self._database.run(work)

    async def leave(self, worker: str) -> None:
        """Say that a worker is gone."""
        query = delete(workflow_workers).where(workflow_workers.c.id == worker)
        await self._database.run(lambda connection: connection.execute(query))

    async def workers(self, seen_since_ms: int) -> frozenset[str]:
        """Return the workers that were alive since then."""
        query = select(workflow_workers.c.id).where(workflow_workers.c.seen_ms >= seen_since_ms)
        return frozenset(await self._database.run(lambda connection: list(connection.scalars(query))))

    async def take_turn(self, role: str, at_ms: int, lease_ms: int) -> bool:
        """Tell whether the caller may play `role` for the next `lease_ms`."""

        def work(connection: Connection) -> bool:
            insertion = _insertion(connection, workflow_workers).values(id=role, seen_ms=at_ms)
            new = insertion.on_conflict_do_nothing()
            if connection.scalar(new.returning(workflow_workers.c.id)) is not None:
                return True
            due = (workflow_workers.c.id == role, workflow_workers.c.seen_ms <= at_ms - lease_ms)
            return bool(
                connection.execute(update(workflow_workers).where(*due).values(seen_ms=at_ms)).rowcount
            )

        return await self._database.run(work)


def _insertion(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return the insert that can leave a row that is there alone; each dialect has its own."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)


def _append(connection: Connection, workflow_id: str, happening: Happening, at_ms: int) -> int:
    """Add an event at the end of a workflow's list, whose row must be locked; return its number."""
    last = select(func.max(workflow_events.c.seq)).where(workflow_events.c.workflow_id == workflow_id)
    seq = (connection.scalar(last) or 0) + 1
    connection.execute(
        insert(workflow_events).values(
            workflow_id=workflow_id,
            seq=seq,
            at_ms=at_ms,
            kind=happening.kind,
            step=happening.step,
            detail=msgspec.json.encode(happening.detail).decode(),
        )
    )
    return seq


def _without_tasks() -> Select[*tuple[object, ...]]:
    return select(*(column for column in workflows.c if column is not workflows.c.task))


def _read(connection: Connection, query: Select[*tuple[object, ...]]) -> list[WorkflowRow]:
    rows = connection.execute(query).mappings()
    return [WorkflowRow(**{"task": "", **row}) for row in rows]
