"""`gateway keys`."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from gateway.cli.options import config_option, open_configuration, with_books
from gateway.cli.teams import ACTOR, parse_usd
from gateway.config_file import Configuration
from gateway.credentials import fingerprint, mint
from gateway.errors import InvalidRequest
from gateway.exchange import Scope
from gateway.stores.base import BudgetSpec, Directory, KeyRow, KeySpec, Period

SCOPES = ("inference", "reports", "admin", "attribution")
_SPAN = re.compile(r"^(\d{1,5})([hdw])$")
_SECONDS = {"h": 3600, "d": 86_400, "w": 604_800}


class Created(msgspec.Struct, frozen=True):
    """A new key with its secret, which is never shown again."""

    key: KeyRow
    secret: str


@click.group("keys")
def command() -> None:
    """Create, list and revoke keys."""


@command.command("create")
@config_option
@click.option("--team", required=True, help="The team that pays.")
@click.option("--name", default=None, help="What people call the key; unique in its team.")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="Default: inference, reports."
)
@click.option("--model", "models", multiple=True, help="Model name the key may reach; default all.")
@click.option("--budget-usd", default=None, help="Money limit per period.")
@click.option("--period", type=click.Choice(("1d", "1w", "1mo")), default="1mo", help="Budget period.")
@click.option("--expires", default=None, help="Lifetime such as 12h, 30d or 8w; default none.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def create(  # noqa: PLR0913 - one parameter per option
    *,
    config: Path | None,
    team: str,
    name: str | None,
    scopes: tuple[Scope, ...],
    models: tuple[str, ...],
    budget_usd: str | None,
    period: Period,
    expires: str | None,
    as_json: bool,
) -> None:
    """Create a key and show its secret, once."""
    configuration = open_configuration(config, need_secrets=False)

    async def run(_books: object, directory: Directory) -> Created:
        budgets = () if budget_usd is None else (BudgetSpec(limit_nano=parse_usd(budget_usd), period=period),)
        spec = KeySpec(
            name=name or f"key-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}",
            scopes=scopes or ("inference", "reports"),
            allowed_models=models or None,
            expires_ms=None if expires is None else _expiry_ms(expires),
            budgets=budgets,
        )
        secret = mint()
        pepper = await _pepper(configuration, directory)
        key = await directory.create_key(team, spec, fingerprint(secret, pepper), actor=ACTOR)
        return Created(key, secret)

    created = with_books(configuration, run)
    if as_json:
        click.echo(msgspec.json.encode(created).decode())
        return
    click.echo(f"key {created.key.name} ({created.key.id}) created; its secret is shown only now:", err=True)
    click.echo(created.secret)


@command.command("list")
@config_option
@click.option("--team", default=None, help="Only this team's.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_keys(*, config: Path | None, team: str | None, as_json: bool) -> None:
    """List the keys; never their secrets."""
    configuration = open_configuration(config, need_secrets=False)
    keys = with_books(configuration, lambda _, directory: directory.list_keys(team))
    if as_json:
        click.echo(msgspec.json.encode(list(keys)).decode())
        return
    for key in keys:
        limits = ",".join(key.allowed_models) if key.allowed_models else "all models"
        click.echo(f"{key.id}  {key.name:28} ...{key.last4}  {','.join(key.scopes)}; {limits}")


@command.command("revoke")
@config_option
@click.argument("key_id")
def revoke(*, config: Path | None, key_id: str) -> None:
    """End the key KEY_ID now; running gateways follow within seconds."""
    configuration = open_configuration(config, need_secrets=False)
    key = with_books(configuration, lambda _, directory: directory.revoke_key(key_id, actor=ACTOR))
    click.echo(f"key {key.name} ({key.id}) revoked")


async def _pepper(configuration: Configuration, directory: Directory) -> bytes:
    configured = configuration.settings.general_settings.key_pepper
    return configured.get_secret_value().encode() if configured else await directory.pepper()


def _expiry_ms(span: str) -> int:
    found = _SPAN.match(span)
    if not found:
        raise InvalidRequest(f"`{span[:40]}` is no lifetime; write 12h, 30d or 8w")
    return int((time.time() + int(found[1]) * _SECONDS[found[2]]) * 1000)
