"""Sums kept beside the ledger, on every database."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Table, delete, func, select, text

import gateway.stores.migrations
from gateway.errors import InvalidRequest
from gateway.stores import schema
from gateway.stores.base import AttemptRow, DecisionRow, ReportLine, ReportQuery, RequestRow
from gateway.stores.database import Database
from gateway.stores.ledger_sql import LedgerInserts
from gateway.stores.pruning_sql import prune_decisions, prune_requests
from gateway.stores.reports_sql import read_report
from gateway.stores.rollups_sql import seal_next
from gateway.stores.upkeep import Retention, steps

MakeUrl = Callable[[], str]
HOUR_MS, LATER_S = 3_600_000, 4_000_000_000
ALL_TIME = ReportQuery(since_ms=0, until_ms=4_000_000_000_000)
REQUEST = RequestRow(
    id="req", at_ms=0, team_id="t", key_id="k", dialect="chat", client_model="auto", stream=False,
    status="ok", http_status=200, tier="base", ground="none", triggers=("a", "b"), tags=("x",), cost_nano=3,
)  # fmt: skip
OLD_ROWS = (
    """INSERT INTO requests (id, at_ms, team_id, key_id, dialect, client_model, stream, status, http_status,
    tier, ground, model, deployment, provider, attempts, input_tokens, output_tokens, cache_read_tokens,
    cache_write_5m_tokens, cache_write_1h_tokens, reasoning_tokens, cost_nano, wasted_nano, baseline,
    estimated, latency_ms, first_byte_ms, session, policy_revision, price_revision)
    VALUES ('req_1', 5, 't', 'k', 'chat', 'auto', false, 'ok', 200, 'base', 'none', 'glm', 'glm', 'zai',
    1, 2, 3, 0, 0, 0, 0, 7, 0, 'all-premium', false, 1, 1, 's', 'p', 'c')""",
    "INSERT INTO request_triggers VALUES ('req_1', 'b'), ('req_1', 'a')",
)
change: Callable[..., Any] = msgspec.structs.replace


ATTEMPT = AttemptRow(
    id="req.0", request_id="req", at_ms=0, deployment="d", provider="p", model="m", tier="base", outcome="ok"
)


def report(database: Database, query: ReportQuery) -> tuple[ReportLine, ...]:
    """Return a report."""
    return database.run_here(lambda connection: read_report(connection, query))


def count(database: Database, table: Table) -> int:
    """Return how many rows a table has."""
    return int(
        database.run_here(lambda connection: connection.scalar(select(func.count()).select_from(table)))
    )


def seal_all(database: Database) -> int:
    """Sum up everything; return how many hours and days that took."""
    steps = 0
    while seal_next(database, LATER_S):
        steps += 1
    return steps


def test_sums_stand_for_rows(make_url: MakeUrl) -> None:
    """What was summed up is not read from the rows again: without them, the report is the same."""
    database = Database(make_url())
    database.migrate()
    rows = [change(REQUEST, id=f"req_{n}", at_ms=n * HOUR_MS // 2) for n in range(100)]
    database.run_here(lambda connection: LedgerInserts(database.engine).insert(connection, rows))
    assert seal_all(database) == 50 + 3
    for groups in ((), ("team", "day"), ("trigger",), ("tag", "month"), ("client_model", "status")):
        query = change(ALL_TIME, group_by=groups, time_zone="Asia/Kolkata")
        before = database.run_here(lambda connection, query=query: read_report(connection, query))

        with database.engine.connect() as connection:
            connection.execute(delete(schema.requests))
            assert read_report(connection, query) == before
            connection.rollback()
    database.close()


def test_sums_outlive_rows(make_url: MakeUrl) -> None:
    """Pruning deletes old requests by the hour, changes no report, and takes latecomers in."""
    database = Database(make_url())
    database.migrate()
    inserts = LedgerInserts(database.engine)
    rows = [change(REQUEST, id=f"req_{n}", at_ms=n * HOUR_MS // 2, tags=(f"t{n % 3}",)) for n in range(60)]
    tried = [change(ATTEMPT, id=f"{row.id}.0", request_id=row.id, at_ms=row.at_ms) for row in rows]
    database.run_here(lambda connection: inserts.insert(connection, [*rows, *tried]))
    queries = [
        change(ALL_TIME, group_by=groups, time_zone="Asia/Kathmandu") for groups in (("day",), ("tag", "key"))
    ]
    before = [report(database, query) for query in queries]
    gone: list[int] = []
    while (step := prune_requests(database, 26 * HOUR_MS + 1)) is not None:
        gone.append(step)
    assert gone == [2] * 26
    assert count(database, schema.requests) == count(database, schema.attempts) == 8
    assert [report(database, query) for query in queries] == before
    late = change(REQUEST, id="late", at_ms=HOUR_MS + 1, cost_nano=1000)
    database.run_here(lambda connection: inserts.insert(connection, [late]))
    for _ in range(2):
        (line,) = report(database, ALL_TIME)
        assert (line.requests, line.cost_nano) == (61, 1180)
        seal_all(database)
    assert count(database, schema.requests) == 8
    with pytest.raises(InvalidRequest, match="only sums by quarter"):
        report(database, change(ALL_TIME, since_ms=1))
    with pytest.raises(InvalidRequest, match="only sums by quarter"):
        report(database, change(ALL_TIME, bucket_s=60))
    database.close()


def test_decisions_are_pruned(make_url: MakeUrl) -> None:
    """Decisions older than asked are deleted, the others stay."""
    database = Database(make_url())
    database.migrate()
    rows = [
        DecisionRow(id=f"d{n}", request_id="r", at_ms=n, team_id="t", record=msgspec.Raw(b"{}"))
        for n in range(10)
    ]
    database.run_here(lambda connection: LedgerInserts(database.engine).insert(connection, rows))
    assert (prune_decisions(database, 7), prune_decisions(database, 7)) == (7, None)
    assert count(database, schema.decisions) == 3
    database.close()


def test_upkeep_does_what_is_due(make_url: MakeUrl) -> None:
    """Left to itself, the ledger is summed up to some minutes ago and pruned to the days that are kept."""
    database = Database(make_url())
    database.migrate()
    day_ms = 24 * HOUR_MS
    rows = [change(REQUEST, id=f"req_{n}", at_ms=n * day_ms) for n in range(10)]
    database.run_here(lambda connection: LedgerInserts(database.engine).insert(connection, rows))
    done = list(steps(database, 9 * 86_400 + 600, Retention(requests_days=3, decisions_days=1)))
    assert sum(done) == 6
    assert count(database, schema.requests) == 4
    assert count(database, schema.unsealed) == 2  # the hour and the day that are running
    assert report(database, ALL_TIME)[0].requests == 10
    database.close()


def test_summing_up_while_inserting(make_url: MakeUrl) -> None:
    """Summing up again and again beside two writers loses no row and counts none twice."""
    database = Database(make_url())
    database.migrate()
    inserts = LedgerInserts(database.engine)

    def write(writer: int) -> None:
        for n in range(60):
            rows = [change(REQUEST, id=f"req_{writer}_{n}", at_ms=n % 3 * HOUR_MS)]
            database.run_here(lambda connection, rows=rows: inserts.insert(connection, rows))

    with ThreadPoolExecutor(3) as pool:
        writing = [pool.submit(write, writer) for writer in range(2)]
        while not all(future.done() for future in writing):
            seal_next(database, LATER_S)
        for future in writing:
            future.result()
    seal_all(database)
    (line,) = database.run_here(lambda connection: read_report(connection, ALL_TIME))
    assert (line.requests, line.cost_nano) == (120, 360)
    database.close()


def test_summing_up_waits_for_inserts(make_url: MakeUrl) -> None:
    """An hour is summed up only once every insert under way has ended, or its rows would be in neither."""
    database = Database(make_url())
    database.migrate()
    inserts = LedgerInserts(database.engine)
    database.run_here(lambda connection: inserts.insert(connection, [REQUEST]))
    with ThreadPoolExecutor(1) as pool:
        with database.engine.begin() as connection:
            inserts.insert(connection, [change(REQUEST, id="req_2")])
            sealing = pool.submit(seal_all, database)
            with pytest.raises(TimeoutError):
                sealing.result(timeout=0.3)
        assert sealing.result() == 2
    (line,) = report(database, ALL_TIME)
    assert (line.requests, line.cost_nano) == (2, 6)
    database.close()


def test_old_ledger_survives(make_url: MakeUrl) -> None:
    """A ledger of an earlier version keeps its requests with their triggers, and is summed up in time."""
    database = Database(make_url())
    if database.sqlite_path:
        database.sqlite_path.touch()
    with database.engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(Path(gateway.stores.migrations.__file__).parent))
        command.upgrade(config, "0002")
        for statement in OLD_ROWS:
            connection.execute(text(statement))
    database.migrate()
    for _ in range(2):
        lines = database.run_here(
            lambda connection: read_report(connection, change(ALL_TIME, group_by=("trigger",)))
        )
        assert [(line.group["trigger"], line.cost_nano) for line in lines] == [("a", 7), ("b", 7)]
        seal_all(database)
    database.close()
