"""`gateway check`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import BaseModel, SecretStr

from gateway.cli.options import config_option, open_configuration, or_fail

if TYPE_CHECKING:
    from gateway.config_file import Configuration
    from gateway.fleet import Reach

_LITERAL = re.compile(r"\$\{?[A-Za-z_]\w*\}?")
"""How shells and other gateways refer to a variable."""


@click.command("check")
@config_option
def command(*, config: Path | None) -> None:
    """Check configuration, secrets, packs, pack tests, prices and database; print what would run.

    No secret is printed. Exit 1 where `serve` would not start.
    """
    configuration = open_configuration(config, need_secrets=False)
    from gateway.pack_files import load_reach
    from gateway.policy_layers import load_policies

    reach = or_fail(lambda: load_reach(configuration))
    policies = or_fail(lambda: load_policies(configuration, reach.fleet))
    click.echo(f"configuration  {configuration.path or 'built in'}")
    policy = policies.organisation
    click.echo(f"policy         {policy.revision}, {len(policy.triggers)} triggers")
    for team, own in policies.teams.items():
        click.echo(f"  team {team}: {own.revision}")
    click.echo(f"prices         {reach.fleet.prices.revision}, {len(reach.fleet.prices.cards)} models")
    _print_deployments(reach)
    for warning in _warnings(configuration, reach):
        click.echo(f"warning: {warning}", err=True)
    faults = list(_faults(configuration))
    for fault in faults:
        click.echo(f"error: {fault}", err=True)
    if faults:
        raise click.exceptions.Exit(1)
    click.echo("ok")


def _print_deployments(reach: Reach) -> None:
    today = datetime.now(UTC).date()
    tiers = {deployment: tier for tier, ids in reach.fleet.tiers.items() for deployment in ids}
    for deployment in reach.fleet.deployments.values():
        price = deployment.card.price_on(today)
        cost = f"${price.input} in, ${price.output} out per million" if price else "no price in force"
        urls = ", ".join(f"{d}: {e.url or 'litellm'}" for d, e in reach.endpoints[deployment.id].items())
        click.echo(
            f"{tiers.get(deployment.id, 'no tier'):14} {deployment.id} = {deployment.provider} "
            f"{deployment.model}; {cost}; {urls}"
        )


def _warnings(configuration: Configuration, reach: Reach) -> Iterator[str]:
    """Yield what works, but hardly as it is meant."""
    today = datetime.now(UTC).date()
    for tier, ids in reach.fleet.tiers.items():
        if not ids:
            yield f"tiers.{tier} is empty; `auto` cannot reach it"
    for deployment in reach.fleet.deployments.values():
        if deployment.card.price_on(today) is None:
            yield f"`{deployment.id}` has no price in force today; requests for it are refused"
    for place in _literal_secrets(configuration.settings, ""):
        yield f"{place} is taken literally; write os.environ/NAME to take it from the environment"


def _faults(configuration: Configuration) -> Iterator[str]:
    """Yield what keeps the gateway from serving."""
    from gateway.app import open_books
    from gateway.clock import SystemClock
    from gateway.errors import GatewayError

    for name in configuration.unset:
        yield f"environment variable {name} is not set"
    try:
        asyncio.run(open_books(configuration, SystemClock()).reach())
    except GatewayError as error:
        yield f"database: {error.message}"


def _literal_secrets(section: BaseModel, place: str) -> Iterator[str]:
    """Yield the places of secrets that look like a reference nobody resolves."""
    for name in type(section).model_fields:
        value, here = getattr(section, name), f"{place}.{name}".lstrip(".")
        if isinstance(value, SecretStr) and _LITERAL.search(value.get_secret_value()):
            yield here
        elif isinstance(value, BaseModel):
            yield from _literal_secrets(value, here)
        elif isinstance(value, list):
            for n, item in enumerate(value):
                if isinstance(item, BaseModel):
                    yield from _literal_secrets(item, f"{here}[{n}]")
