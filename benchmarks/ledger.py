"""What the books cost: appending a request's rows, draining them into SQL, and summing a large ledger.

`python benchmarks/ledger.py [rows] [postgresql://...]`: `rows` is the size of the month reported on
(default 10,000,000, which takes some minutes and 4 GB); without a url an SQLite file in a temporary folder
is used.
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
from gateway.stores.reports_sql import read_report
from gateway.stores.rollups_sql import mark_unsealed, seal_next
from gateway.stores.sql_books import SqlBooks

DAY_MS = 86_400_000
MONTH_MS = 30 * DAY_MS
START_MS = 1_767_225_600_000
REQUESTS = 20_000
RECORD = msgspec.Raw(msgspec.json.encode({"ask": "x" * 400, "candidates": [{"deployment": "d" * 40}] * 8}))
INSERTED = 100_000
GROUPS: tuple[tuple[GroupBy, ...], ...] = (
    *((), ("team",), ("key",), ("model",), ("day",), ("team", "tier", "day")),
    *(("trigger",), ("tag",), ("status", "client_model")),
)
ZONES = ("UTC", "America/New_York", "Asia/Kolkata")
FILL = """{numbers}
INSERT INTO requests (
    id, at_ms, team_id, key_id, dialect, client_model, stream, status, http_status, tier, ground, model,
    deployment, provider, attempts, input_tokens, output_tokens, cache_read_tokens, cache_write_5m_tokens,
    cache_write_1h_tokens, reasoning_tokens, cost_nano, wasted_nano, baseline, baseline_nano, estimated,
    latency_ms, first_byte_ms, session, policy_revision, price_revision, triggers, tags, cache_nano)
SELECT 'm_' || n, {start} + n * {month} / {total}, 'team_' || (k % 20), 'key_' || k, 'chat', 'auto', true,
    CASE WHEN h % 50 = 1 THEN 'failed' WHEN h % 50 = 2 THEN 'cancelled' ELSE 'ok' END, 200,
    CASE WHEN premium THEN 'premium' ELSE 'base' END, CASE WHEN premium THEN 'floor' ELSE 'none' END,
    CASE WHEN premium THEN 'opus' ELSE 'glm' END, CASE WHEN premium THEN 'opus' ELSE 'glm' END,
    CASE WHEN premium THEN 'anthropic' ELSE 'zai' END, 1, h % 4000, h % 700, 0, 0, 0, 0,
    1000000 + h % 90000000, 0, 'all-premium', 5000000 + h % 110000000, h % 100 = 3, 900, 80, '',
    'p0', 'c0', CASE WHEN premium THEN 'trigger_' || (h % 7 % 6) ELSE '' END, 'project-' || (k % 30), 0
FROM (SELECT n, h, (h % 200) * (h / 211 % 200) / 200 AS k, h % 4 = 0 AS premium
      FROM (SELECT n, n * 2654435761 % 1000000007 AS h FROM s) AS hashed) AS drawn"""
"""The key is the product of two even draws: few keys are used much, most a little."""


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


def measure_inserts(database: Database) -> None:
    """Show how fast SQL takes requests as the drain brings them."""
    inserts = LedgerInserts(database.engine)
    cpu, began = _process_cpu_s(), time.perf_counter()
    for batch in _batches():
        database.run_here(lambda connection, batch=batch: inserts.insert(connection, batch))
    wall, used = time.perf_counter() - began, _process_cpu_s() - cpu
    rate, each = INSERTED / wall, used / INSERTED * 1e6
    print(f"inserted {INSERTED:,} requests in batches of 500: {rate:,.0f} rows/s, {each:.1f} us CPU each")


def _batches() -> Iterator[list[AnyRow]]:
    """Yield requests of the day before the month."""
    numbers = iter(range(10**9, 10**9 + INSERTED))
    while batch := list(itertools.islice(numbers, 500)):
        yield [rows_of(n, START_MS - DAY_MS + n - 10**9)[2] for n in batch]


def fill_month(database: Database, total: int) -> None:
    """Make a month of requests inside the database: 20 teams, 200 keys used unevenly, 6 sets of triggers."""
    numbers = {
        "sqlite": "WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s LIMIT {total})",
        "postgresql": "WITH s(n) AS (SELECT generate_series(0::bigint, {total} - 1))",
    }[database.engine.dialect.name].format(total=total)
    began = time.perf_counter()
    statement = FILL.format(numbers=numbers, start=START_MS, month=MONTH_MS, total=total)
    if database.sqlite_path is None:  # whose driver reads a percent sign as a parameter
        statement = statement.replace("%", "%%")
    database.run_here(lambda connection: connection.exec_driver_sql(statement))
    hours = range(START_MS, START_MS + MONTH_MS, 3_600_000)
    database.run_here(lambda connection: mark_unsealed(connection, hours))
    print(f"filled a month with {total:,} requests in {time.perf_counter() - began:.0f} s")


def measure_sealing(database: Database) -> None:
    """Sum the month up, hour by hour, as a running gateway does after each hour."""
    took: list[float] = []
    more = True
    while more:
        began = time.perf_counter()
        more = seal_next(database, 1e11)
        took.append(time.perf_counter() - began)
    print(f"summed up in {len(took)} steps, {sum(took):.0f} s; the longest took {max(took):.2f} s")


def measure_reports(database: Database) -> None:
    """Time the month's reports in three time zones, and on rows alone what they would take."""
    for zone in ZONES:
        for groups in GROUPS:
            query = ReportQuery(
                since_ms=START_MS, until_ms=START_MS + MONTH_MS, group_by=groups, time_zone=zone
            )
            began = time.perf_counter()
            lines = database.run_here(lambda connection, query=query: read_report(connection, query))
            wall = time.perf_counter() - began
            print(f"  {zone}, by {'+'.join(groups) or 'nothing'}: {wall:.2f} s, {len(lines)} lines")


def _process_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Run all measurements."""
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = sys.argv[2] if len(sys.argv) > 2 else f"sqlite:///{folder}/books.db"  # noqa: PLR2004 - argv
        asyncio.run(measure_appends(url, folder / "spool"))
        database = Database(url)
        measure_inserts(database)
        fill_month(database, total)
        measure_sealing(database)
        measure_reports(database)
        database.close()


if __name__ == "__main__":
    main()
