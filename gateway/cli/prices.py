"""`gateway prices`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from gateway.cli.options import config_option, open_configuration, or_fail, with_books

if TYPE_CHECKING:
    from gateway.price_check import PriceCheck
    from gateway.repricing import Repriced
    from gateway.stores.base import Directory
    from gateway.stores.sql_books import SqlBooks
    from policies.pricing import PriceTable

_MAP = "model_prices_and_context_window_backup.json"


@click.group("prices")
def command() -> None:
    """List prices, compare them with litellm's, price a period again."""


@command.command("list")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_prices(*, config: Path | None, as_json: bool) -> None:
    """List every known model's prices, USD per million tokens, with the day they hold from."""
    configuration = open_configuration(config, need_secrets=False)
    from gateway.pack_files import load_price_table

    table = or_fail(lambda: load_price_table(configuration))
    if as_json:
        click.echo(msgspec.json.encode(list(table.cards.values())).decode())
        return
    click.echo(f"price table {table.revision}; USD per million tokens")
    for card in sorted(table.cards.values(), key=lambda card: card.name):
        for price in card.prices:
            cache = (
                f"cache {price.cache_read or '-'}/{price.cache_write_5m or '-'}/{price.cache_write_1h or '-'}"
            )
            click.echo(f"{card.name:34} from {price.since}  in {price.input}  out {price.output}  {cache}")


@command.command("check")
@config_option
@click.option("--all", "everything", is_flag=True, help="The whole table, not only configured deployments.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(*, config: Path | None, everything: bool, as_json: bool) -> None:
    """Compare with the map that comes with litellm; exit 1 if anything differs or is unknown there."""
    configuration = open_configuration(config, need_secrets=False)
    from gateway.pack_files import load_reach
    from gateway.price_check import ForeignMap

    fleet = or_fail(lambda: load_reach(configuration)).fleet
    table, today = fleet.prices, datetime.now(UTC).date()
    cards = {d.card.name: d.card for d in fleet.deployments.values()}
    cards = {**table.cards, **cards} if everything or not cards else cards
    foreign = ForeignMap(_read_map())
    checked = [foreign.check(cards[name], _others(name, table), today) for name in sorted(cards)]
    if as_json:
        click.echo(msgspec.json.encode(checked).decode())
    else:
        _print_checks(checked)
    if any(found.verdict != "same" for found in checked):
        raise click.exceptions.Exit(1)


@command.command("reprice")
@config_option
@click.option(
    "--table",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    default=None,
    help="Price table laid over the configured ones; default: just those, as they are now.",
)
@click.option("--since", default=None, help="Day or instant; default 30 days ago.")
@click.option("--until", default=None, help="Day (included) or instant (excluded); default now.")
@click.option("--tz", default="UTC", help="Time zone in which days begin.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def reprice(
    *, config: Path | None, table: Path | None, since: str | None, until: str | None, tz: str, as_json: bool
) -> None:
    """Say what a period's attempts would have cost at another price table; the books are not touched."""
    configuration = open_configuration(config, need_secrets=False)
    from gateway.pack_files import load_reach
    from gateway.reports import parse_span
    from gateway.repricing import Repricing
    from policies.prices import load_prices, overlay

    fleet = or_fail(lambda: load_reach(configuration)).fleet
    since_ms, until_ms = or_fail(lambda: parse_span(since, until, tz, now=time.time()))
    if table is None:
        own = {d.card.name: d.card for d in fleet.deployments.values()}
        repricing = Repricing(fleet.prices, own)
    else:
        laid = or_fail(lambda: load_prices(table.read_text(encoding="utf-8")))
        repricing = Repricing(overlay([fleet.prices, laid]))

    async def run(books: SqlBooks, _directory: Directory) -> None:
        async for page in books.requests(since_ms, until_ms):
            repricing.add(page, await books.attempts_of([row.id for row in page]))

    with_books(configuration, run)
    result = repricing.result()
    click.echo(msgspec.json.encode(result).decode() if as_json else _told(result))


def _others(name: str, table: PriceTable) -> tuple[str, ...]:
    """Return the other names of a model, which may itself be named by one of them."""
    base = table.aliases.get(name, name)
    return (base, *(alias for alias, aim in table.aliases.items() if aim == base))


def _read_map() -> bytes:
    """Return litellm's own map as it was installed; the library itself is not loaded."""
    found = find_spec("litellm")
    folders = found.submodule_search_locations if found else None
    path = Path(folders[0]) / _MAP if folders else None
    if path is None or not path.is_file():
        raise click.ClickException("litellm's map of prices is not installed; install litellm")
    return path.read_bytes()


def _print_checks(checked: list[PriceCheck]) -> None:
    for found in checked:
        differences = "; ".join(
            f"{field} {ours or 'as input'} here, {theirs or 'none'} there"
            for field, (ours, theirs) in found.differences.items()
        )
        known = f" (there `{found.found_as}`)" if found.found_as else ""
        click.echo(f"{found.verdict:8} {found.model}{known}{': ' + differences if differences else ''}")


def _told(result: Repriced) -> str:
    lines = [
        f"booked at {', '.join(result.booked_revisions) or 'no table'}; priced again at {result.revision}"
    ]
    lines += [
        f"{line.model:34} {line.attempts:>9} attempts  ${line.booked_usd} booked  ${line.repriced_usd} now  "
        f"difference ${line.difference_usd}; {line.unpriced} unpriced, {line.estimated} estimated"
        for line in (*result.lines, result.total)
    ]
    return "\n".join([*lines, f"interrupted, not priced again: ${result.interrupted_usd}"])
