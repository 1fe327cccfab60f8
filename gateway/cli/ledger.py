"""`gateway ledger`."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.options import config_option, open_configuration, or_fail, with_books
from gateway.export import CsvSink, Sink, What
from gateway.reports import parse_span
from gateway.settings import FEWEST_REQUEST_DAYS
from gateway.stores.base import AttemptRow, Directory, RequestRow

if TYPE_CHECKING:
    from gateway.stores.sql_books import SqlBooks

_DAY_S = 86_400


@click.group("ledger")
def command() -> None:
    """Export the ledger, and delete what need not be kept."""


@command.command("export")
@config_option
@click.argument("what", type=click.Choice(("requests", "attempts")), default="requests")
@click.option("--since", default=None, help="Day or instant; default 30 days ago.")
@click.option("--until", default=None, help="Day (included) or instant (excluded); default now.")
@click.option("--tz", default="UTC", help="Time zone in which days begin.")
@click.option("--format", "form", type=click.Choice(("csv", "parquet")), default="csv", help="Output.")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), default=None, help="File; needed by parquet."
)
def export(  # noqa: PLR0913 - one parameter per option
    *,
    config: Path | None,
    what: What,
    since: str | None,
    until: str | None,
    tz: str,
    form: str,
    output: Path | None,
) -> None:
    """Write a row per request (or per attempt), money in exact USD, to standard output or a file."""
    if form == "parquet" and output is None:
        raise click.UsageError("parquet is not for terminals; name a file with --output")
    configuration = open_configuration(config, need_secrets=False)
    since_ms, until_ms = or_fail(lambda: parse_span(since, until, tz, now=time.time()))

    async def run(books: SqlBooks, _directory: Directory) -> int:
        sink, count = _sink(what, form, output), 0
        async for rows in _rows(books, what, since_ms, until_ms):
            sink.write(rows)
            count += len(rows)
        sink.close()
        return count

    click.echo(f"{with_books(configuration, run)} {what} exported", err=True)


@command.command("prune")
@config_option
@click.option(
    "--before-days",
    type=click.IntRange(FEWEST_REQUEST_DAYS, 36_500),
    default=None,
    help=f"Delete requests and attempts older than so many days, at least {FEWEST_REQUEST_DAYS}: running "
    "budgets are rebuilt from younger ones. Their sums stay in every report.",
)
@click.option(
    "--decisions-before-days",
    type=click.IntRange(1, 36_500),
    default=None,
    help="Delete decision records older than so many days.",
)
def prune(*, config: Path | None, before_days: int | None, decisions_before_days: int | None) -> None:
    """Delete what is older than it need be kept; by itself the gateway does as `retention` says."""
    if before_days is None and decisions_before_days is None:
        raise click.UsageError("nothing is to be deleted; give --before-days or --decisions-before-days")
    configuration = open_configuration(config, need_secrets=False)

    async def run(books: SqlBooks, _directory: Directory) -> tuple[int, int]:
        requests = decisions = 0
        if before_days is not None:
            while (gone := await books.prune_requests(_ago_ms(before_days))) is not None:
                requests += gone
        if decisions_before_days is not None:
            while (gone := await books.prune_decisions(_ago_ms(decisions_before_days))) is not None:
                decisions += gone
        return requests, decisions

    requests, decisions = with_books(configuration, run)
    click.echo(f"{requests} requests and {decisions} decisions deleted; the sums stay")


def _ago_ms(days: int) -> int:
    return int((time.time() - days * _DAY_S) * 1000)


def _sink(what: What, form: str, output: Path | None) -> Sink:
    if form == "parquet" and output is not None:
        from gateway.export_parquet import ParquetSink

        return ParquetSink(what, output)
    stream = sys.stdout if output is None else output.open("w", encoding="utf-8", newline="")
    return CsvSink(what, stream)


async def _rows(
    books: SqlBooks, what: What, since_ms: int, until_ms: int
) -> AsyncIterator[Sequence[RequestRow | AttemptRow]]:
    async for page in books.requests(since_ms, until_ms):
        yield page if what == "requests" else await books.attempts_of([row.id for row in page])
