"""What one more request costs as the ledger and the number of keys grow: it should cost the same.

`python -m benchmarks.growth [rows]`: writes requests, as the thread that drains the journal does, into SQLite
ledgers of up to so many requests (default 10,000,000: some minutes, 8 GB), then looks keys up and
claims their budgets and limits where 10 and where 10,000 keys exist. CPU of this process.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace
from sqlalchemy import Connection

from benchmarks.ledger import START_MS, rows_of
from gateway.clock import SystemClock
from gateway.credentials import fingerprint
from gateway.keyring import KeyRing, Trust
from gateway.pace import pace_limits
from gateway.stores.base import AnyRow, BudgetSpec, BudgetWindow, Hold, KeySpec, TeamSpec
from gateway.stores.database import Database
from gateway.stores.ledger_sql import LedgerInserts
from gateway.stores.memory import MemoryState
from gateway.stores.sql_books import SqlBooks

BATCH, BATCHES = 150, 40
"""Requests the drain finds after its pause under load, and how many such batches are timed."""
MANY_KEYS = (10, 10_000)
PEPPER = b"benchmark"
LOOK_UPS = 20_000
FILLED_AT_ONCE = 500_000
NUMBERS = "WITH RECURSIVE s(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM s LIMIT {count})"
FILLS = (
    """INSERT INTO requests SELECT printf('req_%011x%020x', {start} + n, n), {start} + n,
    'team_' || (n * 7919 % 200), 'key_' || (n * 7919 % 10000), 'chat', 'auto', 1, 'ok', 200, 'base', 'none',
    'zai/glm-4.5', 'glm', 'zai', 1, 1200, 300, 0, 0, 0, 0, 1230000, 0, 'all-premium', 5000000, 0, 900, 80, '',
    'pppppppppppp', 'cccccccccccc', '', '', 0, 'zai/glm-4.5', {start} + n, 900 FROM s""",
    """INSERT INTO decisions SELECT printf('dec_%011x%020x', {start} + n, n),
    printf('req_%011x%020x', {start} + n, n), {start} + n, 'team_' || (n * 7919 % 200), '{{}}' FROM s""",
)


def fill(url: str, first: int, count: int) -> None:
    """Make past requests inside the database, in the order of time; decisions without their records."""
    database = Database(url)
    for start in range(first, first + count, FILLED_AT_ONCE):
        numbers = NUMBERS.format(first=start, count=min(FILLED_AT_ONCE, first + count - start))
        rows = [f"{numbers} {statement.format(start=START_MS)}" for statement in FILLS]
        database.run_here(lambda connection, rows=rows: _run(connection, rows))
    database.run_here(lambda connection: _run(connection, ["PRAGMA wal_checkpoint(TRUNCATE)"]))
    database.close()


def _run(connection: Connection, statements: Sequence[str]) -> None:
    for statement in ("PRAGMA cache_size = -1000000", "PRAGMA synchronous = OFF", *statements):
        connection.exec_driver_sql(statement)


def newest(first: int, keys: int) -> Iterator[list[AnyRow]]:
    """Yield batches of requests that come after all others, from so many keys in turn."""
    for batch in range(BATCHES):
        rows: list[AnyRow] = []
        for number in range(first + batch * BATCH, first + (batch + 1) * BATCH):
            moment = f"{START_MS + number:011x}{number:020x}"
            opening, attempt, request, decision = rows_of(number, START_MS + number)
            owner = {"key_id": f"key_{number * 7919 % keys}", "team_id": f"team_{number * 7919 % 200}"}
            rows += (
                replace(opening, id=f"req_{moment}"),
                replace(attempt, id=f"req_{moment}.0", request_id=f"req_{moment}"),
                replace(request, id=f"req_{moment}", **owner),
                replace(decision, id=f"dec_{moment}", request_id=f"req_{moment}"),
            )
        yield rows


def measure_ledger(database: Database, first: int, keys: int) -> None:
    """Print what a request costs that joins those the ledger holds: the lower quartile of the batches."""
    inserts, took = LedgerInserts(database.engine), list[float]()
    for rows in newest(first, keys):
        cpu = time.thread_time()
        database.run_here(lambda connection, rows=rows: inserts.insert(connection, rows))
        took.append((time.thread_time() - cpu) / BATCH * 1e6)
    each = statistics.quantiles(took, n=4)[0]
    print(f"  {first:12,} requests, {keys:6,} keys: {each:6.1f} us CPU a request")


def measure_ledgers(folder: Path, most: int) -> None:
    """Measure an empty ledger, one of a tenth of the size asked for, and one of all of it."""
    print(f"the drain, batches of {BATCH} requests with 3 rows each, SQLite")
    url, held = f"sqlite:///{folder}/ledger.db", 0
    database = Database(url)
    database.migrate()
    for size in (0, most // 10, most):
        if size > held:
            fill(url, held, size - held)
            held = size
        for keys in MANY_KEYS:
            measure_ledger(database, held, keys)
            held += BATCH * BATCHES
    database.close()


async def measure_keys(folder: Path, number: int) -> None:
    """Print what keys cost the key ring when read and when known, and their budgets and limits the state."""
    books, clock = SqlBooks(f"sqlite:///{folder}/keys{number}.db"), SystemClock()
    await books.start()
    team = await books.directory.create_team(TeamSpec(name="t"), actor="benchmark")
    secrets = [f"sk-{n:040x}" for n in range(number)]
    for n, secret in enumerate(secrets):
        shown = fingerprint(secret, PEPPER)
        spec = KeySpec(name=f"k{n}", budgets=(BudgetSpec(limit_nano=10**12, period="1mo"),))
        await books.directory.create_key(team.id, spec, shown, actor="benchmark")
    ring = KeyRing(books=books, pepper=PEPPER, master_key=None, clock=clock, trust=Trust(fresh_s=3600.0))
    asked = [secrets[n * 7919 % number] for n in range(LOOK_UPS)]

    async def read_anew(secret: str) -> None:
        ring.forget()
        await ring.caller(secret)

    await read_anew(secrets[0])
    read = await _each(asked[:1000], read_anew)
    await _each(secrets, ring.caller)
    known = await _each(asked, ring.caller)
    state = MemoryState(seed=nothing_spent)
    await _each(secrets, lambda secret: claim(state, secret))
    claimed = await _each(asked, lambda secret: claim(state, secret))
    print(f"  {number:6,} keys: {read:6.1f} us read, {known:5.2f} known; {claimed:5.2f} claim, settle")
    await books.close()


async def claim(state: MemoryState, key: str) -> None:
    """Claim a key's and its team's budget and the key's limits, and settle them."""
    budgets = tuple(
        BudgetWindow(scope=scope, limit_nano=10**15, period="1mo", since_ms=0, oldest_live_ms=0)
        for scope in ("team:t", f"key:{key}")
    )
    limits = pace_limits(f"key:{key}", rpm=10**9, tpm=10**12, concurrency=10**6)
    hold = Hold(id=f"req_{next(_NUMBERS)}", budgets=budgets, limits=limits, amount_nano=50_000, tokens=5_000)
    await state.admit(hold)
    await state.settle(replace(hold, amount_nano=900, tokens=700))


_NUMBERS = itertools.count()


async def nothing_spent(
    _scope: str, _since_ms: int, _request_ids: Sequence[str]
) -> tuple[int, frozenset[str]]:
    """Return what a new team has spent."""
    return 0, frozenset()


async def _each(secrets: Sequence[str], ask: Callable[[str], Awaitable[object]]) -> float:
    cpu = time.process_time()
    for secret in secrets:
        await ask(secret)
    return (time.process_time() - cpu) / len(secrets) * 1e6


def main() -> None:
    """Run both measurements."""
    most = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    with tempfile.TemporaryDirectory() as name:
        print("key ring and admission")
        for number in MANY_KEYS:
            asyncio.run(measure_keys(Path(name), number))
        measure_ledgers(Path(name), most)


if __name__ == "__main__":
    main()
