"""`gateway teams`."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from gateway.administration import parse_usd
from gateway.cli.options import (
    config_option,
    limit_options,
    limits_asked,
    open_configuration,
    or_fail,
    with_books,
)
from gateway.stores.base import BudgetSpec, Directory, Period, TeamChange, TeamRow, TeamSpec
from gateway.wire.invalid_body import invalid_body

ACTOR = "cli"
REWRITES = ("auto-only", "floor-only", "rewrite-all")
BASELINES = ("all-premium", "all-base", "requested")


@click.group("teams")
def command() -> None:
    """Create, list, change and delete teams."""


@command.command("create")
@config_option
@click.argument("name")
@click.option("--rewrite", type=click.Choice(REWRITES), default="auto-only", help="What may be rewritten.")
@click.option(
    "--baseline", type=click.Choice(BASELINES), default="all-premium", help="What savings compare with."
)
@click.option("--time-zone", default="UTC", help="IANA zone in which budgets and days begin.")
@click.option("--budget-usd", default=None, help="Money limit per period.")
@click.option("--period", type=click.Choice(("1d", "1w", "1mo")), default=None, help="Budget period; 1mo.")
@limit_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def create(  # noqa: PLR0913 - one parameter per option
    *,
    config: Path | None,
    name: str,
    rewrite: str,
    baseline: str,
    time_zone: str,
    budget_usd: str | None,
    period: Period | None,
    as_json: bool,
    **limits: int | None,
) -> None:
    """Create the team NAME."""
    check_period(budget_usd, period)
    configuration = open_configuration(config, need_secrets=False)
    fields = {"name": name, "rewrite": rewrite, "baseline": baseline, "time_zone": time_zone}
    spec = or_fail(lambda: msgspec.convert(fields | limits_asked(limits), TeamSpec))

    async def run(_books: object, directory: Directory) -> TeamRow:
        limit = None if budget_usd is None else parse_usd(budget_usd)
        team = await directory.create_team(spec, actor=ACTOR)
        if limit is not None:
            await directory.set_budget(
                f"team:{team.id}", BudgetSpec(limit_nano=limit, period=period or "1mo"), actor=ACTOR
            )
        return team

    team = with_books(configuration, run)
    click.echo(msgspec.json.encode(team).decode() if as_json else f"team {team.name} ({team.id}) created")


@command.command("list")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_teams(*, config: Path | None, as_json: bool) -> None:
    """List the teams."""
    configuration = open_configuration(config, need_secrets=False)
    teams = with_books(configuration, lambda _, directory: directory.list_teams())
    if as_json:
        click.echo(msgspec.json.encode(list(teams)).decode())
        return
    for team in sorted(teams, key=lambda team: team.name):
        click.echo(f"{team.name:24} {team.id}  {team.rewrite}, baseline {team.baseline}, {team.time_zone}")


@command.command("update")
@config_option
@click.argument("team")
@click.option("--name", default=None, help="Another name.")
@click.option("--rewrite", type=click.Choice(REWRITES), default=None, help="What may be rewritten.")
@click.option("--baseline", type=click.Choice(BASELINES), default=None, help="What savings compare with.")
@click.option("--time-zone", default=None, help="IANA zone in which budgets and days begin.")
@click.option(
    "--honours-route-wish/--ignores-route-wish", default=None, help="Whether x-gateway-route is obeyed."
)
@limit_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def update(*, config: Path | None, team: str, as_json: bool, **asked: str | bool | int | None) -> None:
    """Change the settings of TEAM that are named; the others stay."""
    configuration = open_configuration(config, need_secrets=False)
    given = {name: value for name, value in asked.items() if value is not None} | limits_asked(asked)
    if not given:
        raise click.UsageError("nothing is to be changed; name a setting, such as --time-zone")

    async def run(_books: object, directory: Directory) -> TeamRow:
        return await directory.update_team(team, _change(given), actor=ACTOR)

    changed = with_books(configuration, run)
    click.echo(msgspec.json.encode(changed).decode() if as_json else f"team {changed.name} updated")


@command.command("delete")
@config_option
@click.argument("name")
def delete(*, config: Path | None, name: str) -> None:
    """Retire the team NAME and revoke its keys; its ledger stays."""
    configuration = open_configuration(config, need_secrets=False)
    team = with_books(configuration, lambda _, directory: directory.delete_team(name, actor=ACTOR))
    click.echo(f"team {team.name} deleted, its keys revoked")


def check_period(budget_usd: str | None, period: Period | None) -> None:
    """End the command when a period is given for no budget: a limit was meant and would be missing."""
    if period is not None and budget_usd is None:
        raise click.UsageError("--period is the period of a budget; give --budget-usd too")


def _change(given: dict[str, str | bool | int | None]) -> TeamChange:
    try:
        return msgspec.convert(given, TeamChange)
    except msgspec.ValidationError as error:
        raise invalid_body(error) from None
