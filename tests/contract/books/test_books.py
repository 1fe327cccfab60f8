"""The ledger and the decisions, on every database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from row_samples import request_row
from sqlalchemy import func, select

from gateway.errors import InvalidRequest
from gateway.stores import schema
from gateway.stores.base import (
    AttemptRow,
    DecisionRow,
    OpenRow,
    ReportLine,
    ReportQuery,
)
from gateway.stores.sql_books import SqlBooks

ALL_TIME = ReportQuery(since_ms=0, until_ms=4_000_000_000_000)
REQUEST = request_row(id="req_1", at_ms=1_767_225_600_000, team_id="team_1", key_id="key_1")
ATTEMPT = AttemptRow(
    id="req_1.0",
    request_id="req_1",
    at_ms=1,
    deployment="glm",
    provider="zai",
    model="zai/glm-4.5",
    tier="base",
    outcome="ok",
    delivered=True,
    cost_nano=7,
)
OPENING = OpenRow(
    id="req_1",
    at_ms=REQUEST.at_ms,
    team_id="team_1",
    key_id="key_1",
    tier="premium",
    deployment="opus",
    model="anthropic/claude-opus-4-1",
    worst_case_nano=900,
    policy_revision="p1",
    price_revision="c1",
)
DECISION = DecisionRow(
    id="dec_1", request_id="req_1", at_ms=1, team_id="team_1", record=msgspec.Raw(b'{"a": 1}')
)
MakeUrl = Callable[[], str]
change: Callable[..., Any] = msgspec.structs.replace


def list_folder(folder: Path) -> list[str]:
    """Return the names in a folder."""
    return sorted(path.name for path in folder.iterdir())


async def test_rows_read_back(books: SqlBooks) -> None:
    """What was appended is in the report after a flush, and the attempts under their request."""
    books.append(ATTEMPT, change(REQUEST, cost_nano=7), DECISION)
    await books.flush()
    (line,) = await books.report(ALL_TIME)
    assert (line.requests, line.cost_nano) == (1, 7)
    assert list(await books.attempts("req_1")) == [ATTEMPT]


@pytest.mark.parametrize(
    ("changes", "apart"),
    [
        ({}, 0),
        ({"card": ""}, 0),
        ({"id": "req_1.1"}, 1),
        ({"status": 201}, 1),
        ({"outcome": "cut_off"}, 1),
        ({"delivered": False}, 1),
        ({"model": "zai/glm-4.6"}, 1),
        ({"output_tokens": 8}, 1),
    ],
)
async def test_sole_attempt(books: SqlBooks, changes: dict[str, object], apart: int) -> None:
    """An attempt of which its request says all but three values has no row of its own, and is read alike."""
    attempt = change(
        ATTEMPT, **{"status": 200, "at_ms": REQUEST.at_ms + 3, "latency_ms": 9, "card": "c"} | changes
    )
    told = {name: getattr(ATTEMPT, name) for name in ("deployment", "provider", "model", "cost_nano")}
    books.append(attempt, change(REQUEST, attempts=1, **told))
    await books.flush()
    rows = books._database.run_here(lambda c: c.scalar(select(func.count()).select_from(schema.attempts)))
    assert rows == apart
    assert list(await books.attempts("req_1")) == [attempt]
    assert await books.spent_nano(f"model:{attempt.model}", 0) == 7
    assert (await books.paid(["req_1"]))["req_1"].by_model == {attempt.model: 7}
    (line,) = await books.booked(REQUEST.at_ms, REQUEST.at_ms + 86_400_000, "UTC", {"glm": "zai/of"})
    assert (line.card, line.attempts, line.cost_nano) == (attempt.card or "zai/of", 1, 7)
    assert line.output_tokens == attempt.output_tokens


async def test_appending_twice(books: SqlBooks) -> None:
    """A row that comes again counts once, triggers included."""
    row = change(REQUEST, triggers=("a", "a", "b"), cost_nano=5)
    books.append(row)
    await books.flush()
    books.append(row, change(row, cost_nano=6))
    await books.flush()
    lines = await books.report(change(ALL_TIME, group_by=("trigger",)))
    assert [(line.group["trigger"], line.cost_nano) for line in lines] == [("a", 5), ("b", 5)]


async def test_empty_report(books: SqlBooks) -> None:
    """An empty ledger gives one line of zeros without groups and no line with them."""
    (line,) = await books.report(ALL_TIME)
    assert line == ReportLine(group={}, **dict.fromkeys(ReportLine.__struct_fields__[1:], 0))
    assert await books.report(change(ALL_TIME, group_by=("day", "team"))) == ()


async def test_oversized_values(books: SqlBooks) -> None:
    """Whatever a request carries fits its column: text is cut and cleaned, numbers are bound."""
    row = change(REQUEST, client_model="m\0" * 500, session="\udc80x", cost_nano=2**70, latency_ms=-5)
    books.append(row, change(DECISION, record=msgspec.Raw(b'{"a":\n"\\u0000"}')))
    await books.flush()
    assert await books.spent_nano("team:team_1", 0) == schema.LARGEST
    found = await books.decision("dec_1")
    assert found
    assert msgspec.json.decode(found.record) == {"a": "\0"}
    assert books.healthy


async def test_decision_lookup(books: SqlBooks) -> None:
    """A decision is found by its id and its request's, but not by another team."""
    books.append(DECISION)
    await books.flush()
    found = await books.decision("req_1", "team_1")
    assert found
    assert bytes(found.record) == bytes(DECISION.record)
    assert await books.decision("dec_1") is not None
    assert await books.decision("dec_1", "team_2") is None
    assert await books.decision("dec_2") is None


async def test_decisions_in_pages(books: SqlBooks) -> None:
    """Replay sees every decision of its window once, oldest first, across pages and equal instants."""
    rows = [change(DECISION, id=f"dec_{n:04}", at_ms=n // 3) for n in range(1200)]
    books.append(*reversed(rows))
    await books.flush()
    found = [row.id async for row in books.decisions(100, 300)]
    assert found == [f"dec_{n:04}" for n in range(300, 900)]
    assert [row async for row in books.decisions(0, 400, team_id="team_2")] == []


async def test_openings_of_the_dead(make_url: MakeUrl, tmp_path: Path) -> None:
    """A request left open is booked at its dearest worst case, once, and a closed one is left alone."""
    url = make_url()
    first = SqlBooks(url, spool_dir=tmp_path)
    await first.start()
    first.append(OPENING, change(OPENING, worst_case_nano=400), change(OPENING, id="req_2"))
    first.append(change(REQUEST, id="req_2", cost_nano=3))
    await first.close()
    second = SqlBooks(url, spool_dir=tmp_path)
    (row,) = await second.start()
    assert (row.id, row.status, row.cost_nano, row.estimated) == ("req_1", "interrupted", 900, True)
    (line,) = await second.report(ALL_TIME)
    assert (line.requests, line.interrupted, line.cost_nano) == (2, 1, 903)
    await second.close()
    assert list_folder(tmp_path) == ["lock"]


async def test_openings_of_the_living(make_url: MakeUrl, tmp_path: Path) -> None:
    """A second process leaves the open requests of the first alone."""
    url = make_url()
    first, second = SqlBooks(url, spool_dir=tmp_path), SqlBooks(url, spool_dir=tmp_path)
    await first.start()
    first.append(OPENING)
    await first.flush()
    assert await second.start() == ()
    first.append(change(REQUEST, cost_nano=1))
    await first.flush()
    assert await second.spent_nano("key:key_1", 0) == 1
    await first.close()
    await second.close()


async def test_huge_instant(books: SqlBooks) -> None:
    """A number past 64 bits is the caller's mistake, not ours."""
    with pytest.raises(InvalidRequest):
        await books.spent_nano("team:t", 2**70)
