"""`gateway report`."""

from __future__ import annotations

import time
from pathlib import Path

import click
import msgspec

from gateway.cli.options import config_option, open_configuration, with_books
from gateway.reports import GROUPS, Question, Report, build_report, parse_query, to_csv, with_names
from gateway.stores.base import Books, Directory


@click.command("report")
@config_option
@click.argument("kind", type=click.Choice(("costs", "roi")), default="roi")
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
    group_by: str,
    since: str | None,
    until: str | None,
    tz: str,
    form: str,
) -> None:
    """Show what requests cost (costs) or what routing saved (roi)."""
    configuration = open_configuration(config, need_secrets=False)
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
