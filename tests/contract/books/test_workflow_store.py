"""Workflows in both kinds of database."""

from __future__ import annotations

import asyncio
from itertools import count

import msgspec
import pytest

from gateway.stores.base import AnswerRow, Page
from gateway.stores.sql_books import SqlBooks
from gateway.stores.workflows_base import Detail, EventKind, Happening, State, WorkflowRow
from gateway.workflows.states import MOVES

FIRST = Happening(kind="submitted", detail=Detail(actor="key_1"))
_numbers = count()


def row(**fields: object) -> WorkflowRow:
    """Return a new workflow."""
    given = {"id": f"wf_{next(_numbers):06}", "team_id": "red", "key_id": "key_1", "created_ms": 1}
    task = {"state": "pending", "priority": "normal", "task": '{"task":{}}', "digest": "d"}
    return msgspec.convert(given | task | fields, WorkflowRow)


async def move(books: SqlBooks, kept: WorkflowRow, kind: EventKind, at_ms: int = 5) -> int:
    """Record an event by the table of moves."""
    among, to = MOVES[kind]
    return await books.workflows.record(kept.id, Happening(kind=kind, to=to), at_ms, among=among)


async def test_idempotency(books: SqlBooks) -> None:
    """A team's key makes one workflow, however many ask at once; without a key each is its own."""
    asked = [row(idempotency="once") for _ in range(8)]
    kept = await asyncio.gather(*(books.workflows.add(one, FIRST, 1) for one in asked))
    assert len({one.id for one in kept}) == 1
    assert len(await books.workflows.events(kept[0].id)) == 1
    others = [row(idempotency="once", team_id="blue"), row(), row()]
    assert [(await books.workflows.add(one, FIRST, 1)).id for one in others] == [one.id for one in others]


@pytest.mark.parametrize(
    ("moves", "state"),
    [
        (["step_started", "completed"], "completed"),
        (["step_started", "approval_requested", "approved"], "pending"),
        (["step_started", "approval_requested", "denied"], "failed"),
        (["cancelled"], "cancelled"),
    ],
)
async def test_state_follows_events(books: SqlBooks, moves: list[EventKind], state: State) -> None:
    """An event and the state it leads to are written together; what has ended takes no further step."""
    kept = await books.workflows.add(row(), FIRST, 1)
    assert [await move(books, kept, kind) for kind in moves] == list(range(2, len(moves) + 2))
    found = await books.workflows.find(kept.id)
    assert found
    assert found.state == state
    if state != "pending":
        assert await move(books, kept, "step_started") == await move(books, kept, "cancelled") == 0
        assert found.finished_ms == 5


async def test_racing_ends(books: SqlBooks) -> None:
    """Of many who end a workflow at once one succeeds, and the events are numbered without a gap."""
    kept = await books.workflows.add(row(), FIRST, 1)
    await move(books, kept, "step_started")
    kinds: list[EventKind] = ["completed", "cancelled", "failed"] * 4
    done = await asyncio.gather(*(move(books, kept, kind) for kind in kinds))
    assert sum(bool(seq) for seq in done) == 1
    assert [event.seq for event in await books.workflows.events(kept.id)] == [1, 2, 3]


async def test_answer_comes_with_books(books: SqlBooks) -> None:
    """The answer is read back as it was written, once, whatever characters it holds."""
    kept = await books.workflows.add(row(), FIRST, 1)
    for body in ('{"a":"ö\\u0000"}', "second"):
        books.append(AnswerRow(workflow_id=kept.id, request_id="req_1", at_ms=1, body=body))
    await books.flush()
    assert await books.workflows.answer(kept.id) == '{"a":"ö\\u0000"}'.encode()


async def test_erasing(books: SqlBooks) -> None:
    """What ended long ago loses task and answer and keeps its events; what has not ended keeps all."""
    old, new = [await books.workflows.add(row(), FIRST, 1) for _ in range(2)]
    books.append(AnswerRow(workflow_id=old.id, request_id="req_1", at_ms=1, body="x"))
    await books.flush()
    await move(books, old, "cancelled")
    assert await books.workflows.erase(10, 20) == 1
    assert await books.workflows.erase(10, 20) == 0
    erased, kept = await books.workflows.find(old.id), await books.workflows.find(new.id)
    assert erased
    assert kept
    assert (erased.task, kept.task, await books.workflows.answer(old.id)) == ("", new.task, None)
    assert [event.kind for event in await books.workflows.events(old.id)] == [
        "submitted",
        "cancelled",
        "erased",
    ]


async def test_turns_and_leases(books: SqlBooks) -> None:
    """One plays a role at a time, for its lease; who has not been heard of is not alive."""
    store = books.workflows
    turns = await asyncio.gather(*(store.take_turn("sweeper", 1_000, 500) for _ in range(6)))
    assert sum(turns) == 1
    assert not await store.take_turn("sweeper", 1_400, 500)
    assert await store.take_turn("sweeper", 1_500, 500)
    await store.beat("a", 1_000)
    await store.beat("b", 2_000)
    await store.beat("a", 3_000)
    assert await store.workers(2_500) == {"a"}
    await store.leave("a")
    assert await store.workers(0) >= {"b"}
    assert "a" not in await store.workers(0)


async def test_pages(books: SqlBooks) -> None:
    """Lists hold a team's own, newest first, without their tasks."""
    made = [await books.workflows.add(row(team_id="green"), FIRST, 1) for _ in range(3)]
    page = await books.workflows.listed("green", "pending", Page(limit=2))
    assert [one.id for one in page] == [made[2].id, made[1].id]
    assert {one.task for one in page} == {""}
    rest = await books.workflows.listed("green", None, Page(limit=2, after=made[1].id))
    assert [one.id for one in rest] == [made[0].id]
    assert await books.workflows.waiting("green", ("pending", "running")) == 3
