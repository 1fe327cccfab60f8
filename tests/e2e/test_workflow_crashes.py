"""Gateways killed in the middle of workflows: what was paid for is never bought again and never lost."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from signal import SIGKILL, SIGTERM

import aiohttp
import pytest
from running_gateway import CRITICAL, OPUS, Json, Served, configure, prepare_books, read_rows, serve_gateway

from gateway.upstreams.scripted import Scenario, Vendors

QUICK: Json = {"lease_seconds": 0.5}
ON_THE_WAY = ("detect", "analyse", "decide", "escalate")


def steps_seen(folder: Path, kind: str) -> list[str]:
    """Return the steps an event of this kind was written for."""
    with closing(sqlite3.connect(folder / "books.db")) as database:
        query = "SELECT coalesce(step, '') FROM workflow_events WHERE kind = ? ORDER BY seq"
        return [step for (step,) in database.execute(query, (kind,))]


async def until_started(folder: Path, step: str) -> None:
    """Wait until a step has begun."""
    async with asyncio.timeout(40):
        while step not in steps_seen(folder, "step_started"):  # noqa: ASYNC110 - another process begins it
            await asyncio.sleep(0.001)


@asynccontextmanager
async def books_locked(folder: Path) -> AsyncIterator[None]:
    """Let nobody else write to the books."""
    with closing(sqlite3.connect(folder / "books.db", isolation_level=None, timeout=10)) as database:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


async def until_spooled(folder: Path) -> None:
    """Wait until the paid answer is in the spool."""
    async with asyncio.timeout(20):
        while not any(b'"t":"answer"' in p.read_bytes() for p in (folder / "books.db.spool").rglob("*.log")):  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def ask(served: Served, key: str, path: str, body: object = None) -> dict[str, object]:
    """Call a gateway; return what it says."""
    headers = {"authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        if body is None:
            answered = await http.get(f"{served.url}/v1/escalation/{path}")
        else:
            answered = await http.post(f"{served.url}/v1/escalation/{path}", json=body)
        said: dict[str, object] = await answered.json()
        assert answered.status < 300, said
        return said


async def finish(served: Served, key: str, workflow_id: object) -> dict[str, object]:
    """Return a workflow once it has ended."""
    done = await ask(served, key, f"status/{workflow_id}?wait=40")
    assert done["state"] == "completed", done
    return done


async def test_killed_at_every_step(tmp_path: Path, vendors: Vendors) -> None:
    """One workflow, killed in each of its steps, with its call in flight, and with its answer just paid for."""
    key = await prepare_books(tmp_path, budget_usd="100")
    config = configure(vendors, workflows=QUICK)
    vendors.script(OPUS, Scenario(hang=True))
    async with serve_gateway(tmp_path, config) as served:
        made = await ask(served, key, "submit", {"description": CRITICAL})
        await until_started(tmp_path, "detect")
        await served.stop(SIGKILL)
    for step in ON_THE_WAY[1:]:
        async with serve_gateway(tmp_path, config) as served:
            await until_started(tmp_path, step)
            await served.stop(SIGKILL)
    assert not vendors.calls
    async with serve_gateway(tmp_path, config) as served:
        await vendors.wait_calls(1)
        await served.stop(SIGKILL)
    vendors.script(OPUS, Scenario(delay_first_ms=500))
    async with serve_gateway(tmp_path, config) as served:
        await vendors.wait_calls(2)
        async with books_locked(tmp_path):
            await until_spooled(tmp_path)
            await served.stop(SIGKILL)
    async with serve_gateway(tmp_path, config) as served:
        await until_started(tmp_path, "validate")
        await served.stop(SIGKILL)
    async with serve_gateway(tmp_path, config) as served:
        done = await finish(served, key, made["id"])

    assert len(vendors.calls) == 2
    rows = read_rows(tmp_path)
    assert [(row["status"], row["estimated"]) for row in rows] == [("interrupted", 1), ("ok", 0)]
    assert len(steps_seen(tmp_path, "call_interrupted")) == 1
    cost, answer = done["cost"], done["answer"]
    assert isinstance(cost, dict)
    assert isinstance(answer, dict)
    assert float(cost["usd"]) * 1e9 == pytest.approx(sum(int(str(row["cost_nano"])) for row in rows))
    assert answer["choices"][0]["message"]["content"]
    events = done["events"]
    assert isinstance(events, list)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


async def test_rerun_refused(tmp_path: Path, vendors: Vendors) -> None:
    """Where calls are made at most once, one that was in flight is booked and the workflow says so."""
    key = await prepare_books(tmp_path)
    config = configure(vendors, workflows={**QUICK, "reruns_after_interruption": 0})
    vendors.script(OPUS, Scenario(hang=True))
    async with serve_gateway(tmp_path, config) as served:
        made = await ask(served, key, "submit", {"description": CRITICAL})
        await vendors.wait_calls(1)
        await served.stop(SIGKILL)
    async with serve_gateway(tmp_path, config) as served:
        done = await ask(served, key, f"status/{made['id']}?wait=40")

    error = done["error"]
    assert isinstance(error, dict)
    assert (done["state"], error["code"], len(vendors.calls)) == ("failed", "interrupted", 1)


async def test_drained_in_the_middle(tmp_path: Path, vendors: Vendors) -> None:
    """A gateway told to stop lets a call end that can; the workflow goes on after the next start."""
    key = await prepare_books(tmp_path)
    config = configure(vendors, workflows=QUICK)
    vendors.script(OPUS, Scenario(delay_first_ms=700))
    async with serve_gateway(tmp_path, config) as served:
        made = await ask(served, key, "submit", {"description": CRITICAL})
        await vendors.wait_calls(1)
        assert await served.stop(SIGTERM) == 0
    async with serve_gateway(tmp_path, config) as served:
        await finish(served, key, made["id"])

    assert len(vendors.calls) == 1
    assert [row["status"] for row in read_rows(tmp_path)] == ["ok"]
    assert json.dumps(made)
