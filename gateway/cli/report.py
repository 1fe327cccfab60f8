"""`gateway report`."""

from __future__ import annotations

import time
from pathlib import Path

import click
import msgspec

from gateway.cli.options import config_option, open_configuration, or_fail, with_books
from gateway.config_file import Configuration
from gateway.reports import GROUPS, Question, Report, build_report, parse_query, plain, to_csv, with_names
from gateway.stores.base import Books, Directory


@click.command("report")
@config_option
@click.argument("kind", type=click.Choice(("costs", "roi", "reconcile")), default="roi")
@click.argument("invoice", type=click.Path(path_type=Path, dir_okay=False, exists=True), required=False)
@click.option("--group-by", default="team", help=f"Comma-separated: {', '.join(GROUPS)}; empty for totals.")
@click.option("--since", default=None, help="Day or instant; default 30 days ago.")
@click.option("--until", default=None, help="Day (included) or instant (excluded); default now.")
@click.option("--tz", default="UTC", help="Time zone in which days begin.")
@click.option(
    "--format", "form", type=click.Choice(("table", "json", "csv")), default="table", help="Output."
)
def command(  # noqa: PLR0913 - one parameter per option
    *,
    config: Path | None,
    kind: str,
    invoice: Path | None,
    group_by: str,
    since: str | None,
    until: str | None,
    tz: str,
    form: str,
) -> None:
    """Show what requests cost (costs) or saved (roi), or an INVOICE beside the books (reconcile)."""
    configuration = open_configuration(config, need_secrets=False)
    if (kind == "reconcile") != (invoice is not None):
        raise click.UsageError("a vendor's cost export goes with `reconcile`, and with nothing else")
    if invoice is not None:
        _reconcile(configuration, invoice, tz, form)
        return
    asked = Question(group_by=group_by, tz=tz, since=since, until=until)

    async def run(books: Books, directory: Directory) -> Report:
        query = parse_query(asked, now=time.time(), team_id=None, time_zone=tz)
        lines = await books.report(query)
        total = await books.report(msgspec.structs.replace(query, group_by=()))
        names = {team.id: team.name for team in await directory.list_teams()}
        lines = with_names(lines, names)
        return build_report("costs" if kind == "costs" else "roi", query, lines, total[0])

    built = with_books(configuration, run)
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(built), indent=2).decode())
    elif form == "csv":
        click.echo(to_csv(built), nl=False)
    else:
        from gateway.cli.tables import print_report

        print_report(built)


def _reconcile(configuration: Configuration, file: Path, tz: str, form: str) -> None:
    from gateway.invoices import read_invoice
    from gateway.pack_files import load_reach
    from gateway.reconciliation import Reconciliation, reconcile_with

    fleet = or_fail(lambda: load_reach(configuration)).fleet
    invoice = or_fail(lambda: read_invoice(file.read_bytes(), {}))

    async def run(books: Books, _directory: Directory) -> Reconciliation:
        return await reconcile_with(books, invoice, fleet, time_zone=tz)

    result = with_books(configuration, run)
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(result), indent=2).decode())
        return
    click.echo("day,model,invoiced_usd,booked_usd,difference_usd,causes")
    for line in result.lines:
        amounts = (line.invoiced_usd, line.booked_usd, line.difference_usd)
        click.echo(",".join((line.day, plain(line.model), *amounts, " ".join(line.causes))))
    accuracy = "-" if result.accuracy is None else f"{result.accuracy:.2%}"
    click.echo(
        f"invoiced ${result.invoiced_usd}, booked ${result.booked_usd}, difference ${result.difference_usd}, "
        f"accuracy {accuracy}",
        err=True,
    )
