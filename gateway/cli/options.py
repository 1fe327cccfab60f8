"""What several commands share: the --config option, and errors as one line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
import msgspec

from gateway.clock import SystemClock
from gateway.config_file import Configuration, default_configuration, load_configuration
from gateway.errors import GatewayError
from gateway.stores.base import Directory
from policies.yaml_lines import DocumentError

if TYPE_CHECKING:  # SQL is imported when the books are opened
    from gateway.stores.sql_books import SqlBooks

_T = TypeVar("_T")
_V = TypeVar("_V")
_F = TypeVar("_F", bound=Callable[..., None])
DEFAULT_FILE = Path("config.yaml")

config_option = click.option(
    "--config",
    "config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Configuration file; config.yaml in this folder if there is one.",
)


def layer_options(command: _F) -> _F:
    """Add the options that say whose policy is meant: a team's, and a key's over it."""
    command = click.option(
        "--key-pack",
        "key_packs",
        multiple=True,
        help="With this pack of a key on top; of `policy.key_packs`, may be repeated.",
    )(command)
    return click.option("--team", default="", help="With this team's packs.")(command)


def open_layers(path: Path | None, team: str) -> Configuration:
    """Return the configuration as for `open_configuration`; end with one line if it declares no such team."""
    configuration = open_configuration(path, need_secrets=False)
    teams = {declared.name for declared in configuration.settings.teams}
    if team and team not in teams:
        known = ", ".join(sorted(teams)) or "none"
        message = f"the configuration declares no team `{team}` (it declares: {known}); name one of those"
        raise click.ClickException(message)
    return configuration


def limit_options(command: _F) -> _F:
    """Add the options of limits of pace; 0 lifts one."""
    for name, text in (
        ("concurrency", "Requests at a time; 0 for any."),
        ("tpm", "Tokens per minute; 0 for any."),
        ("rpm", "Requests per minute; 0 for any."),
    ):
        command = click.option(f"--{name}", type=click.IntRange(0, 10**12), default=None, help=text)(command)
    return command


def limits_asked(given: Mapping[str, _V]) -> dict[str, _V | None]:
    """Return the limits that were given, 0 as none."""
    return {
        name: given[name] or None for name in ("rpm", "tpm", "concurrency") if given.get(name) is not None
    }


def open_configuration(path: Path | None, *, need_secrets: bool) -> Configuration:
    """Return the named configuration, ./config.yaml, or the built-in one; end with one line if it is wrong.

    Warnings go to standard error.
    """
    chosen = path or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)
    try:
        if chosen is None:
            configuration = default_configuration()
        else:
            configuration = load_configuration(chosen, need_secrets=need_secrets)
    except GatewayError as error:
        raise click.ClickException(error.message) from None
    for warning in configuration.warnings:
        click.echo(f"warning: {warning}", err=True)
    return configuration


def or_fail(action: Callable[[], _T]) -> _T:
    """Return what `action` returns; end the command with one line for an error made on purpose."""
    try:
        return action()
    except GatewayError as error:
        raise click.ClickException(error.message) from None
    except (DocumentError, msgspec.ValidationError) as error:
        raise click.ClickException(str(error)) from None


def with_books(configuration: Configuration, use: Callable[[SqlBooks, Directory], Awaitable[_T]]) -> _T:
    """Open the configured books, run `use`, close them again."""
    from gateway.app import open_books

    async def run() -> _T:
        books = open_books(configuration, SystemClock())
        await books.start()
        try:
            return await use(books, books.directory)
        finally:
            await books.close()

    return or_fail(lambda: asyncio.run(run()))
