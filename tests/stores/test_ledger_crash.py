"""Killed processes: nothing acknowledged is lost, nothing is doubled, what was open is settled."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from gateway.stores.base import AttemptRow, OpenRow, ReportQuery, RequestRow
from gateway.stores.sql_books import SqlBooks

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
EVERYTHING = ReportQuery(since_ms=0, until_ms=10**12, group_by=("key",))


def rows_of(number: int) -> tuple[OpenRow, AttemptRow, RequestRow]:
    """Return the rows of one request, told by its key."""
    request = RequestRow(
        id=f"req_{number}",
        at_ms=number,
        team_id="t",
        key_id=f"key_{number}",
        dialect="chat",
        client_model="auto",
        stream=False,
        status="ok",
        http_status=200,
        tier="base",
        ground="none",
        triggers=("a", "b"),
        cost_nano=3,
    )
    attempt = AttemptRow(
        id=f"{request.id}.0",
        request_id=request.id,
        at_ms=number,
        deployment="d",
        provider="p",
        model="m",
        tier="base",
        outcome="ok",
    )
    opening = OpenRow(
        id=request.id,
        at_ms=number,
        team_id="t",
        key_id=request.key_id,
        tier="base",
        deployment="d",
        model="m",
        worst_case_nano=100,
        policy_revision="",
        price_revision="",
    )
    return opening, attempt, request


async def append_for_ever(url: str) -> None:
    """Append requests, every tenth never closed, and say after each that it was taken."""
    books = SqlBooks(url)
    await books.start()
    for number in itertools.count():
        opening, attempt, request = rows_of(number)
        books.append(opening)
        if number % 10:
            books.append(attempt, request)
        print(number, flush=True)  # noqa: T201 - the parent reads along
        await asyncio.sleep(0)


async def recover(url: str) -> None:
    """Start books, which brings in what the dead left."""
    print("ready", flush=True)  # noqa: T201 - the parent reads along
    await SqlBooks(url).start()


def run(task: str, url: str) -> subprocess.Popen[str]:
    """Run one of the tasks above in a process of its own."""
    command = [sys.executable, __file__, task, url]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own file


def kill_after(process: subprocess.Popen[str], lines: int) -> list[str]:
    """Kill a process once it has said so many lines; return all it said."""
    assert process.stdout
    said = [process.stdout.readline() for _ in range(lines)]
    process.send_signal(signal.SIGKILL)
    said += process.stdout.readlines()
    process.stdout.close()
    process.wait()
    return [line.strip() for line in said if line.endswith("\n")]


async def check(url: str, acknowledged: set[int]) -> None:
    """Check that every request is in the books once: as it ended, or at its worst case."""
    books = SqlBooks(url)
    await books.start()
    lines = await books.report(EVERYTHING)
    costs = {int(line.group["key"][4:]): (line.requests, line.cost_nano) for line in lines}
    assert set(costs) >= acknowledged
    assert set(costs) - acknowledged <= {
        max(acknowledged) + 1
    }  # taken, but the process died before saying so
    assert all(costs[n] == (1, 3 if n % 10 else 100) for n in acknowledged)
    by_trigger = await books.report(msgspec.structs.replace(EVERYTHING, group_by=("trigger",)))
    fired = {line.group["trigger"]: line.requests for line in by_trigger}
    assert fired.get("a", 0) == fired.get("b", 0) == sum(cost == (1, 3) for cost in costs.values())
    await books.close()


@pytest.mark.parametrize("lines", [1, 40, 3000])
async def test_killed_while_appending(tmp_path: Path, lines: int) -> None:
    """What a killed process said it had taken is in the books exactly once."""
    url = f"sqlite:///{tmp_path}/books.db"
    said = kill_after(run("append_for_ever", url), lines)
    await check(url, {int(line) for line in said})
    await check(url, {int(line) for line in said})


async def test_killed_while_recovering(tmp_path: Path) -> None:
    """However often the recovery itself is killed, the next one ends it without counting twice."""
    url = f"sqlite:///{tmp_path}/books.db"
    said = kill_after(run("append_for_ever", url), 2000)
    for _ in range(2):
        kill_after(run("recover", url), 1)
    await check(url, {int(line) for line in said})


async def test_two_processes(tmp_path: Path) -> None:
    """Two processes write one SQLite file at the same time, and both ledgers are whole."""
    url = f"sqlite:///{tmp_path}/books.db"
    other = run("append_for_ever", url)
    books = SqlBooks(url)
    await books.start()
    for number in range(10**6, 10**6 + 500):
        books.append(*rows_of(number))
        await asyncio.sleep(0)
    await books.flush()
    said = kill_after(other, 500)
    await books.close()
    reader = SqlBooks(url)
    await reader.start()
    found = {int(line.group["key"][4:]) for line in await reader.report(EVERYTHING)}
    await reader.close()
    assert found >= {int(line) for line in said} | set(range(10**6, 10**6 + 500))


async def test_starting_together(tmp_path: Path) -> None:
    """Several processes may make the same fresh database at once."""
    url = f"sqlite:///{tmp_path}/books.db"
    processes = [run("recover", url) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    for process in processes:
        assert process.stdout
        process.stdout.close()


if __name__ == "__main__":
    asyncio.run({"append_for_ever": append_for_ever, "recover": recover}[sys.argv[1]](sys.argv[2]))
