"""`gateway keys`."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import click
import msgspec

from gateway.administration import DEFAULT_SCOPES, IssuedKey, Issuer, check_packs, parse_usd
from gateway.cli.options import config_option, limit_options, limits_asked, open_configuration, with_books
from gateway.cli.teams import ACTOR, check_period
from gateway.config_file import Configuration
from gateway.errors import InvalidRequest
from gateway.exchange import Scope
from gateway.stores.base import BudgetSpec, Directory, KeyChange, KeyRow, KeySpec, Period
from gateway.wire.invalid_body import invalid_body
from policies.facts import RewriteContract

SCOPES = ("inference", "reports", "admin", "attribution", "approval")
CONTRACTS = get_args(RewriteContract)
_SPAN = re.compile(r"^(\d{1,5})([hdw])$")
_SECONDS = {"h": 3600, "d": 86_400, "w": 604_800}


@click.group("keys")
def command() -> None:
    """Create, list, change, rotate, block and revoke keys."""


@command.command("create")
@config_option
@click.option("--team", required=True, help="The team that pays.")
@click.option("--name", default=None, help="What people call the key; unique in its team.")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="Default: inference, reports."
)
@click.option("--model", "models", multiple=True, help="Model name the key may reach; default all.")
@click.option("--budget-usd", default=None, help="Money limit per period.")
@click.option("--period", type=click.Choice(("1d", "1w", "1mo")), default=None, help="Budget period; 1mo.")
@click.option("--pack", "packs", multiple=True, help="Pack laid over the team's; of `policy.key_packs`.")
@click.option("--rewrite", type=click.Choice(CONTRACTS), default=None, help="Contract; default the team's.")
@click.option("--expires", default=None, help="Lifetime such as 12h, 30d or 8w; default none.")
@limit_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def create(  # noqa: PLR0913 - one parameter per option
    *,
    config: Path | None,
    team: str,
    name: str | None,
    scopes: tuple[Scope, ...],
    models: tuple[str, ...],
    budget_usd: str | None,
    period: Period | None,
    packs: tuple[str, ...],
    rewrite: RewriteContract | None,
    expires: str | None,
    as_json: bool,
    **limits: int | None,
) -> None:
    """Create a key and show its secret, once."""
    check_period(budget_usd, period)
    configuration = open_configuration(config, need_secrets=False)

    async def run(_books: object, directory: Directory) -> IssuedKey:
        budgets = (
            ()
            if budget_usd is None
            else (BudgetSpec(limit_nano=parse_usd(budget_usd), period=period or "1mo"),)
        )
        spec = KeySpec(
            name=name or f"key-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}",
            scopes=scopes or DEFAULT_SCOPES,
            allowed_models=models or None,
            expires_ms=None if expires is None else _expiry_ms(expires),
            budgets=budgets,
            packs=packs,
            rewrite=rewrite,
            **limits_asked(limits),
        )
        await check_packs(_trial(configuration), directory, team, packs)
        return await Issuer(directory, configuration).create(team, spec, actor=ACTOR)

    _show("created", with_books(configuration, run), as_json=as_json)


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
    for key in sorted(keys, key=lambda key: (key.name, key.id)):
        limits = ",".join(key.allowed_models) if key.allowed_models else "all models"
        over = f"; packs {','.join(key.packs)}" if key.packs else ""
        blocked = "" if key.blocked_ms is None else "; blocked"
        click.echo(f"{key.id}  {key.name:28} ...{key.last4}  {','.join(key.scopes)}; {limits}{over}{blocked}")


@command.command("update")
@config_option
@click.argument("key_id")
@click.option("--name", default=None, help="Another name.")
@click.option("--pack", "packs", multiple=True, help="Pack laid over the team's, instead of those there are.")
@click.option("--no-packs", is_flag=True, help="Take the key's own packs away.")
@click.option(
    "--rewrite", type=click.Choice((*CONTRACTS, "team")), default=None, help="Contract; team for the team's."
)
@limit_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def update(  # noqa: PLR0913 - one parameter per option
    *,
    config: Path | None,
    key_id: str,
    name: str | None,
    packs: tuple[str, ...],
    no_packs: bool,
    rewrite: str | None,
    as_json: bool,
    **limits: int | None,
) -> None:
    """Change what is named of the key KEY_ID; the rest stays."""
    configuration = open_configuration(config, need_secrets=False)
    if packs and no_packs:
        raise click.UsageError("--pack and --no-packs contradict each other; give one of them")
    given: dict[str, object] = dict(limits_asked(limits))
    given |= {} if name is None else {"name": name}
    given |= {"packs": list(packs)} if packs or no_packs else {}
    given |= {} if rewrite is None else {"rewrite": None if rewrite == "team" else rewrite}
    if not given:
        raise click.UsageError("nothing is to be changed; name a setting, such as --rpm")

    async def run(_books: object, directory: Directory) -> KeyRow:
        team = (await directory.find_key(key_id)).team_id
        await check_packs(_trial(configuration), directory, team, packs)
        return await directory.update_key(key_id, _key_change(given), actor=ACTOR)

    changed = with_books(configuration, run)
    click.echo(msgspec.json.encode(changed).decode() if as_json else f"key {changed.name} updated")


@command.command("rotate")
@config_option
@click.argument("key_id")
@click.option("--overlap", default=None, help="How long the old secret stays valid, up to 7d; default not.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def rotate(*, config: Path | None, key_id: str, overlap: str | None, as_json: bool) -> None:
    """Give the key KEY_ID a new secret and show it, once."""
    configuration = open_configuration(config, need_secrets=False)

    async def run(_books: object, directory: Directory) -> IssuedKey:
        overlap_s = 0 if overlap is None else _span_s(overlap)
        return await Issuer(directory, configuration).rotate(key_id, overlap_s=overlap_s, actor=ACTOR)

    _show("rotated", with_books(configuration, run), as_json=as_json)


@command.command("block")
@config_option
@click.argument("key_id")
def block(*, config: Path | None, key_id: str) -> None:
    """Refuse the key KEY_ID until it is unblocked."""
    _set_blocked(config, key_id, blocked=True)


@command.command("unblock")
@config_option
@click.argument("key_id")
def unblock(*, config: Path | None, key_id: str) -> None:
    """Accept the blocked key KEY_ID again."""
    _set_blocked(config, key_id, blocked=False)


@command.command("revoke")
@config_option
@click.argument("key_id")
def revoke(*, config: Path | None, key_id: str) -> None:
    """End the key KEY_ID now; running gateways follow within seconds."""
    configuration = open_configuration(config, need_secrets=False)
    key = with_books(configuration, lambda _, directory: directory.revoke_key(key_id, actor=ACTOR))
    click.echo(f"key {key.name} ({key.id}) revoked")


def _key_change(given: Mapping[str, object]) -> KeyChange:
    try:
        return msgspec.convert(given, KeyChange)
    except msgspec.ValidationError as error:
        raise invalid_body(error) from None


def _trial(configuration: Configuration) -> Callable[[str, tuple[str, ...]], object]:
    """Return what tries packs on a team."""

    def lay(team: str, packs: tuple[str, ...]) -> object:
        from gateway.pack_files import load_reach
        from gateway.policy_layers import load_policies

        return load_policies(configuration, load_reach(configuration).fleet).compiled(team, packs)

    return lay


def _set_blocked(config: Path | None, key_id: str, *, blocked: bool) -> None:
    configuration = open_configuration(config, need_secrets=False)

    async def run(_books: object, directory: Directory) -> KeyRow:
        return await directory.update_key(key_id, KeyChange(blocked=blocked), actor=ACTOR)

    key = with_books(configuration, run)
    click.echo(f"key {key.name} ({key.id}) {'blocked' if blocked else 'unblocked'}")


def _show(done: str, issued: IssuedKey, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(issued).decode())
        return
    click.echo(f"key {issued.key.name} ({issued.key.id}) {done}; its secret is shown only now:", err=True)
    click.echo(issued.secret)


def _expiry_ms(span: str) -> int:
    return int((time.time() + _span_s(span)) * 1000)


def _span_s(span: str) -> int:
    found = _SPAN.match(span)
    if not found:
        raise InvalidRequest(f"`{span[:40]}` is no lifetime; write 12h, 30d or 8w")
    return int(found[1]) * _SECONDS[found[2]]
