"""`gateway replay`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from gateway.cli.options import config_option, open_configuration, or_fail, with_books
from gateway.errors import ConfigError
from gateway.reports import parse_span

if TYPE_CHECKING:  # policies are imported when there is something to replay
    from collections.abc import Callable

    from gateway.backtest import Question
    from gateway.config_file import Configuration
    from gateway.policy_layers import Policies
    from gateway.replay import BackTest, PolicyOf
    from gateway.stores.base import Directory
    from gateway.stores.sql_books import SqlBooks
    from policies.pack import PackText
    from policies.policy import Policy

_STEP = 500
"""Decisions between two steps of the progress bar."""


@click.command("replay")
@config_option
@click.option(
    "--policy",
    "--pack",
    "packs",
    multiple=True,
    help="Judge under these packs, in this order, instead of the configured ones; `-` reads one from stdin.",
)
@click.option("--since", default=None, help="Day or instant; default 30 days ago.")
@click.option("--until", default=None, help="Day (included) or instant (excluded); default now.")
@click.option("--tz", default="UTC", help="Time zone in which days begin.")
@click.option("--show", type=click.IntRange(0, 1000), default=10, help="How many changed decisions to list.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole result as JSON.")
def command(
    *, config: Path | None, packs: tuple[str, ...], show: int, as_json: bool, **window: str | None
) -> None:
    """Judge recorded decisions again and say which would change, by team, at what cost."""
    configuration = open_configuration(config, need_secrets=False)
    question = or_fail(lambda: ask(window, show))
    result = run(configuration, or_fail(lambda: candidate(configuration, packs)), question)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(result), indent=2).decode())
    else:
        show_result(result)


def ask(window: Mapping[str, str | None], show: int) -> Question:
    """Return the question that `since`, `until` and `tz` put; raise InvalidRequest."""
    from gateway.backtest import Question

    since_ms, until_ms = parse_span(window["since"], window["until"], window["tz"] or "UTC", now=time.time())
    return Question(since_ms=since_ms, until_ms=until_ms, most_examples=show)


def candidate(configuration: Configuration, packs: Sequence[str], *over: PackText) -> PolicyOf:
    """Return which policy rules a team: the named packs' for all, the configured ones where none is named.

    `over` lies over the named packs. Raise ConfigError.
    """
    from gateway.pack_files import load_reach, read_pack, resolve_pack
    from gateway.policy_layers import compile_texts, load_policies
    from policies.pack import PackText

    fleet = load_reach(configuration).fleet
    if not packs and not over:
        return _configured(load_policies(configuration, fleet))
    texts = [
        PackText("stdin", sys.stdin.read())
        if name == "-"
        else read_pack(resolve_pack(name, configuration.folder))
        for name in packs
    ]
    policy = compile_texts([*texts, *over], fleet)
    return lambda _team, _packs: policy


def _configured(policies: Policies) -> PolicyOf:
    def policy_of(team: str, packs: tuple[str, ...]) -> Policy:
        try:
            return policies.for_key(team, packs)
        except ConfigError:  # packs that are offered no more rule nobody
            return policies.for_team(team)

    return policy_of


def run(configuration: Configuration, policy_of: PolicyOf, question: Question, team: str = "") -> BackTest:
    """Return the back-test, of a team's decisions or all; with a progress bar where someone is watching."""
    from gateway.backtest import back_test

    async def use(books: SqlBooks, directory: Directory) -> BackTest:
        team_id = (await directory.find_team(team)).id if team else question.team_id
        asked = msgspec.structs.replace(question, team_id=team_id)
        total = await books.count_decisions(asked.since_ms, asked.until_ms, team_id=team_id)
        with _progress(total) as progress:
            return await back_test(books, policy_of, asked, progress)

    return with_books(configuration, use)


def show_result(result: BackTest) -> None:
    """Print a back-test for people."""
    for change in result.examples:
        click.echo(
            f"{change.decision_id}  {change.team}: {change.from_tier} -> {change.to_tier}: {change.reason}"
        )
    click.echo(f"{result.decisions} decisions replayed, {result.changed} would change tier")
    for move in result.moves:
        unpriced = f", {move.unpriced} of them unpriced" if move.unpriced else ""
        cost = move.cost_change_usd if move.cost_change_usd.startswith("-") else f"+{move.cost_change_usd}"
        click.echo(
            f"  {move.team}: {move.decisions} from {move.from_tier} to {move.to_tier}, "
            f"expected cost {cost} USD{unpriced}"
        )
    known = result.hindsight
    if known.known:
        click.echo(
            f"  of {known.known} decisions with a known outcome {known.right_then} went right, "
            f"{known.right_now} would"
        )
    if result.not_measured:
        click.echo(f"  {result.not_measured} decisions lack signals these packs test; triggers were skipped")
    if result.unreadable:
        click.echo(f"  {result.unreadable} records could not be read")


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Give a step counter that moves a bar on standard error, where that is a terminal."""
    hidden = not sys.stderr.isatty()
    with click.progressbar(
        length=total, label="replaying", file=sys.stderr, show_pos=True, hidden=hidden
    ) as bar:
        done = 0

        def step(count: int) -> None:
            nonlocal done
            done += count
            if done % _STEP == 0:
                bar.update(_STEP)

        yield step
        bar.update(done % _STEP)
