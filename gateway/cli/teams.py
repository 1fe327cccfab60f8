"""`gateway teams`."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path

import click
import msgspec

from gateway.cli.options import config_option, open_configuration, with_books
from gateway.errors import InvalidRequest
from gateway.stores.base import BudgetSpec, Directory, Period, TeamRow, TeamSpec
from policies.pricing import nano

ACTOR = "cli"
REWRITES = ("auto-only", "floor-only", "rewrite-all")
BASELINES = ("all-premium", "all-base", "requested")


@click.group("teams")
def command() -> None:
    """Create, list and delete teams."""


@command.command("create")
@config_option
@click.argument("name")
@click.option("--rewrite", type=click.Choice(REWRITES), default="auto-only", help="What may be rewritten.")
@click.option(
    "--baseline", type=click.Choice(BASELINES), default="all-premium", help="What savings compare with."
)
@click.option("--time-zone", default="UTC", help="IANA zone in which budgets and days begin.")
@click.option("--budget-usd", default=None, help="Money limit per period.")
@click.option("--period", type=click.Choice(("1d", "1w", "1mo")), default="1mo", help="Budget period.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def create(  # noqa: PLR0913 - one parameter per option
    *,
    config: Path | None,
    name: str,
    rewrite: str,
    baseline: str,
    time_zone: str,
    budget_usd: str | None,
    period: Period,
    as_json: bool,
) -> None:
    """Create the team NAME."""
    configuration = open_configuration(config, need_secrets=False)
    fields = {"name": name, "rewrite": rewrite, "baseline": baseline, "time_zone": time_zone}
    spec = msgspec.convert(fields, TeamSpec)

    async def run(_books: object, directory: Directory) -> TeamRow:
        limit = None if budget_usd is None else parse_usd(budget_usd)
        team = await directory.create_team(spec, actor=ACTOR)
        if limit is not None:
            await directory.set_budget(
                f"team:{team.id}", BudgetSpec(limit_nano=limit, period=period), actor=ACTOR
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
    for team in teams:
        click.echo(f"{team.name:24} {team.id}  {team.rewrite}, baseline {team.baseline}, {team.time_zone}")


@command.command("delete")
@config_option
@click.argument("name")
def delete(*, config: Path | None, name: str) -> None:
    """Retire the team NAME and revoke its keys; its ledger stays."""
    configuration = open_configuration(config, need_secrets=False)
    team = with_books(configuration, lambda _, directory: directory.delete_team(name, actor=ACTOR))
    click.echo(f"team {team.name} deleted, its keys revoked")


def parse_usd(text: str) -> int:
    """Return nano-USD; raise InvalidRequest for anything but a positive, finite amount."""
    try:
        amount = nano(Decimal(text))
    except (InvalidOperation, ValueError):
        amount = 0
    if not 0 < amount <= 10**18:
        raise InvalidRequest(f"`{text[:40]}` is no amount of money; give USD above 0, such as 25 or 0.50")
    return amount
