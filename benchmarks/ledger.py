"""What the books cost: appending a request's rows, draining them into SQL, and summing a large ledger.

`python benchmarks/ledger.py [rows] [postgresql://...]`: `rows` is the size of the ledger reported on
(default 1,000,000); without a url an SQLite file in a temporary folder is used.
"""

from __future__ import annotations

import asyncio
import itertools
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from gateway.stores.base import (
    AnyRow,
    AttemptRow,
    DecisionRow,
    GroupBy,
    OpenRow,
    ReportQuery,
    RequestRow,
)
from gateway.stores.database import Database
from gateway.stores.ledger_sql import LedgerInserts
from gateway.stores.sql_books import SqlBooks

MONTH_MS = 30 * 86_400_000
START_MS = 1_767_225_600_000
REQUESTS = 20_000
RECORD = msgspec.Raw(msgspec.json.encode({"ask": "x" * 400, "candidates": [{"deployment": "d" * 40}] * 8}))
GROUPS: tuple[tuple[GroupBy, ...], ...] = ((), ("team",), ("day",), ("team", "tier", "day"), ("trigger",))


def rows_of(number: int, at_ms: int) -> tuple[OpenRow, AttemptRow, RequestRow, DecisionRow]:
    """Return the rows a served request leaves, with a decision record of about 1 KB."""
    request_id = f"req_{number:031x}"
    deployment, model = ("opus", "anthropic/claude-opus-4-1") if number % 4 == 0 else ("glm", "zai/glm-4.5")
    tier = "premium" if number % 4 == 0 else "base"
    opening = OpenRow(
        id=request_id,
        at_ms=at_ms,
        team_id=f"team_{number % 20}",
        key_id=f"key_{number % 200}",
        tier=tier,
        deployment=deployment,
        model=model,
        worst_case_nano=50_000_000,
        policy_revision="p" * 16,
        price_revision="c" * 16,
    )
    attempt = AttemptRow(
        id=f"{request_id}.0",
        request_id=request_id,
        at_ms=at_ms,
        deployment=deployment,
        provider="zai",
        model=model,
        tier=tier,
        outcome="ok",
        status=200,
        delivered=True,
        input_tokens=1200,
        output_tokens=300,
        cost_nano=1_230_000 + number,
        latency_ms=900,
    )
    request = RequestRow(
        id=request_id,
        at_ms=at_ms,
        team_id=opening.team_id,
        key_id=opening.key_id,
        dialect="chat",
        client_model="auto",
        stream=True,
        status="ok",
        http_status=200,
        tier=tier,
        ground="floor" if tier == "premium" else "none",
        triggers=("critical_security",) if tier == "premium" else (),
        model=model,
        deployment=deployment,
        provider="zai",
        attempts=1,
        input_tokens=1200,
        output_tokens=300,
        cost_nano=1_230_000 + number,
        baseline="all-premium",
        baseline_nano=5_000_000,
        latency_ms=900,
        policy_revision="p" * 16,
        price_revision="c" * 16,
    )
    decision = DecisionRow(
        id=f"dec_{number:031x}", request_id=request_id, at_ms=at_ms, team_id=opening.team_id, record=RECORD
    )
    return opening, attempt, request, decision


async def measure_appends(url: str, folder: Path) -> None:
    """Append as fast as can be, then paced, then time what is left to drain."""
    books = SqlBooks(url, spool_dir=folder)
    await books.start()
    rows = [rows_of(number, START_MS + number) for number in range(REQUESTS)]
    _report_burst(books, rows)
    began = time.perf_counter()
    await books.flush()
    print(f"  drained the rest in {time.perf_counter() - began:.2f} s")
    await _report_paced(books)
    await books.close()


def _report_burst(books: SqlBooks, rows: list[tuple[OpenRow, AttemptRow, RequestRow, DecisionRow]]) -> None:
    began, cpu = time.perf_counter(), time.thread_time()
    for opening, attempt, request, decision in rows:
        books.append(opening)
        books.append(attempt, request, decision)
    wall, used = time.perf_counter() - began, time.thread_time() - cpu
    rate, each = len(rows) / wall, 1e6 / len(rows)
    print(f"burst of {len(rows)} requests, 2 appends and 4 rows each, draining meanwhile")
    print(
        f"  {rate:,.0f} requests/s, {wall * each:.1f} us each, of it {used * each:.1f} us CPU of the caller"
    )


async def _report_paced(books: SqlBooks, rate: int = 1000, seconds: int = 5) -> None:
    """Append at a fixed rate from an event loop and show what the path and the whole process pay."""
    idle, _ = await _pace(lambda *_: None, rate, seconds)
    used, took = await _pace(books.append, rate, seconds)
    await books.flush()
    took.sort()
    print(f"paced at {rate} requests/s for {seconds} s")
    p99 = took[len(took) * 99 // 100]
    print(f"  appends of a request: p50 {statistics.median(took):.1f} us, p99 {p99:.0f} us")
    print(f"  whole process: {used - idle:.0f} us CPU per request more than without books")


async def _pace(append: Callable[..., None], rate: int, seconds: int) -> tuple[float, list[float]]:
    """Return CPU microseconds per request, and how long each request's appends took."""
    took: list[float] = []
    cpu, began = _process_cpu_s(), time.perf_counter()
    for number in range(rate * seconds):
        opening, attempt, request, decision = rows_of(REQUESTS + number, START_MS + REQUESTS + number)
        start = time.perf_counter()
        append(opening)
        append(attempt, request, decision)
        took.append((time.perf_counter() - start) * 1e6)
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
    return (_process_cpu_s() - cpu) / len(took) * 1e6, took


def measure_inserts(database: Database, total: int) -> None:
    """Fill the ledger to `total` requests and show how fast SQL takes them."""
    inserts = LedgerInserts(database.engine)
    cpu, began = _process_cpu_s(), time.perf_counter()
    for batch in _batches(total):
        database.run_here(lambda connection, batch=batch: inserts.insert(connection, batch))
    wall, used = time.perf_counter() - began, _process_cpu_s() - cpu
    rate, each = total / wall, used / total * 1e6
    print(f"inserted {total:,} requests in batches of 500: {rate:,.0f} rows/s, {each:.1f} us CPU each")


def _batches(total: int) -> Iterator[list[AnyRow]]:
    numbers = iter(range(10**9, 10**9 + total))
    while batch := list(itertools.islice(numbers, 500)):
        yield [rows_of(n, START_MS + (n - 10**9) * MONTH_MS // total)[2] for n in batch]


async def measure_reports(url: str, folder: Path) -> None:
    """Time a month's reports and a team's spending over the whole ledger."""
    books = SqlBooks(url, spool_dir=folder)
    await books.start()
    for groups in GROUPS:
        query = ReportQuery(
            since_ms=START_MS, until_ms=START_MS + MONTH_MS, group_by=groups, time_zone="America/New_York"
        )
        began = time.perf_counter()
        lines = await books.report(query)
        print(
            f"  by {'+'.join(groups) or 'nothing'}: {time.perf_counter() - began:.2f} s, {len(lines)} lines"
        )
    began = time.perf_counter()
    await books.spent_nano("team:team_1", START_MS)
    print(f"  spent by a team: {(time.perf_counter() - began) * 1000:.1f} ms")
    await books.close()


def _process_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Run all measurements."""
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = sys.argv[2] if len(sys.argv) > 2 else f"sqlite:///{folder}/books.db"  # noqa: PLR2004 - argv
        asyncio.run(measure_appends(url, folder / "spool"))
        database = Database(url)
        measure_inserts(database, total)
        database.close()
        asyncio.run(measure_reports(url, folder / "spool"))


if __name__ == "__main__":
    main()
