"""`gateway replay`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from gateway.cli.options import config_option, open_configuration, or_fail, with_books
from gateway.reports import parse_query


@click.command("replay")
@config_option
@click.option(
    "--pack",
    "packs",
    multiple=True,
    help="Judge under these packs, in this order, instead of the configured ones.",
)
@click.option("--since", default=None, help="Day or instant; default 30 days ago.")
@click.option("--until", default=None, help="Day (included) or instant (excluded); default now.")
@click.option("--tz", default="UTC", help="Time zone in which days begin.")
@click.option("--show", type=click.IntRange(0, 1000), default=10, help="How many changed decisions to list.")
def command(
    *, config: Path | None, packs: tuple[str, ...], since: str | None, until: str | None, tz: str, show: int
) -> None:
    """Judge recorded decisions again and say which would change, by team, at what cost."""
    configuration = open_configuration(config, need_secrets=False)
    from gateway.decision_log import read_record
    from gateway.policy_source import compile_packs, load_policies, load_reach, resolve_pack
    from gateway.replay import Summary, replay
    from gateway.stores.sql_books import SqlBooks
    from policies.pricing import usd

    fleet = or_fail(lambda: load_reach(configuration)).fleet
    configured = or_fail(lambda: load_policies(configuration, fleet))
    paths = [or_fail(lambda n=name: resolve_pack(n, configuration.folder)) for name in packs]  # type: ignore[misc]
    candidate = or_fail(lambda: compile_packs(paths, fleet)) if paths else None
    params = {k: v for k, v in (("since", since), ("until", until), ("tz", tz)) if v is not None}

    async def run(books: SqlBooks, _directory: object) -> Summary:
        query = parse_query(params, now=time.time(), team_id=None, time_zone=tz)
        summary, listed = Summary(), 0
        async for row in books.decisions(query.since_ms, query.until_ms):
            record = read_record(row)
            again = replay(record, candidate or configured.for_team(record.team))
            summary.add(again)
            if again.changed and listed < show:
                listed += 1
                click.echo(
                    f"{record.id}  {record.team}: {record.decision.tier} -> {again.decision.tier}: "
                    f"{again.decision.reason}"
                )
        return summary

    summary = with_books(configuration, run)
    click.echo(f"{summary.decisions} decisions replayed, {sum(summary.moves.values())} would change tier")
    for (team, old, new), count in sorted(summary.moves.items()):
        click.echo(f"  {team}: {count} from {old} to {new}")
    for team, change in sorted(summary.cost_change_nano.items()):
        click.echo(f"  {team}: expected cost {'+' if change >= 0 else '-'}${usd(abs(change)):f}")
    if summary.unpriced:
        click.echo(f"  {summary.unpriced} changed decisions could not be priced")
