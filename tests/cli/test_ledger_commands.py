from __future__ import annotations

import asyncio
import csv
import io
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from pyarrow import parquet

from gateway.__main__ import gateway
from gateway.stores.base import AttemptRow, RequestRow
from gateway.stores.sql_books import SqlBooks

REQUEST = RequestRow(
    id="req_0", at_ms=0, team_id="t", key_id="k", dialect="chat", client_model="=cmd()", stream=False,
    status="ok", http_status=200, tier="base", ground="none", triggers=("a", "b"), tags=("x",),
    cost_nano=1_234_567_890, cache_nano=-1,
)  # fmt: skip
YEAR_2026_MS = 1_767_225_600_000


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Give a configuration whose ledger holds 5,000 requests of January 2026, with an attempt each."""

    async def fill() -> None:
        books = SqlBooks(f"sqlite:///{tmp_path}/books.db")
        await books.start()
        for n in range(5_000):
            at_ms = YEAR_2026_MS + n // 2
            values = {name: getattr(REQUEST, name) for name in REQUEST.__struct_fields__}
            attempt = AttemptRow(
                id=f"req_{n}.0", request_id=f"req_{n}", at_ms=at_ms, deployment="d", provider="p", model="m",
                tier="base", outcome="ok", cost_nano=7, delivered=True,
            )  # fmt: skip
            books.append(RequestRow(**values | {"id": f"req_{n}", "at_ms": at_ms}), attempt)
        await books.close()

    asyncio.run(fill())
    path = tmp_path / "config.yaml"
    path.write_text("general_settings: {database_url: 'sqlite:///books.db'}\n", encoding="utf-8")
    return path


def run(config: Path, *words: str) -> tuple[int, str, str]:
    """Run `gateway ledger` and return its exit code, output and complaints."""
    done = CliRunner().invoke(gateway, ["ledger", *words, "--config", str(config)])
    return done.exit_code, done.stdout, done.stderr


def test_export_as_csv(config: Path) -> None:
    """Every request is there once, money exact, instants in ISO, formulas defused."""
    code, out, told = run(config, "export", "--since", "2026-01-01", "--until", "2026-01-01")
    lines = list(csv.DictReader(io.StringIO(out)))
    assert (code, told.strip()) == (0, "5000 requests exported")
    assert len({line["id"] for line in lines}) == 5_000
    assert sum(Decimal(line["cost_usd"]) for line in lines) == 5_000 * Decimal("1.234567890")
    assert {
        (line["at"][:10], line["client_model"], line["triggers"], line["baseline_usd"]) for line in lines
    } == {("2026-01-01", "'=cmd()", "a,b", "")}


def test_export_as_parquet(config: Path, tmp_path: Path) -> None:
    """Attempts come out with exact decimals and their own types."""
    file = tmp_path / "attempts.parquet"
    span = ("--since", "2026-01-01", "--until", "2026-01-02")
    code, _, _ = run(config, "export", "attempts", *span, "--format", "parquet", "--output", str(file))
    table = parquet.read_table(file)
    assert (code, table.num_rows) == (0, 5_000)
    assert sum(table["cost_usd"].to_pylist()) == Decimal("0.000035000")
    assert set(table["delivered"].to_pylist()) == {True}


def test_prune(config: Path) -> None:
    """Old rows go, what the report says stays."""
    code, out, _ = run(config, "prune", "--before-days", "62", "--decisions-before-days", "1")
    assert (code, out) == (0, "5000 requests and 0 decisions deleted; the sums stay\n")
    _, exported, _ = run(config, "export", "--since", "2026-01-01", "--until", "2026-01-02")
    assert exported.count("\n") == 1
    words = ["report", "costs", "--since", "2026-01-01", "--until", "2026-01-02", "--format", "csv"]
    done = CliRunner().invoke(gateway, [*words, "--group-by", "team", "--config", str(config)])
    assert done.stdout.splitlines()[1].startswith("t,5000,")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("prune",), "nothing is to be deleted"),
        (("prune", "--before-days", "30"), "62"),
        (("export", "--format", "parquet"), "--output"),
        (("export", "--since", "2026-02-30"), "is no day"),
        (("export", "--tz", "Mars/Olympus"), "is not an IANA time zone"),
    ],
)
def test_bad_words(config: Path, words: tuple[str, ...], told: str) -> None:
    """What cannot be done is said in one line, and nothing is touched."""
    code, _, complaint = run(config, *words)
    assert code != 0
    assert told in complaint
