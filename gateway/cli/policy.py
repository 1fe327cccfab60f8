"""`gateway policy`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click
import msgspec

from gateway.cli.options import (
    config_option,
    layer_options,
    open_configuration,
    open_layers,
    or_fail,
    with_books,
)
from gateway.reports import parse_span
from policies.verdicts import Decision

if TYPE_CHECKING:  # SQL is imported when the books are opened
    from collections.abc import Sequence

    from gateway.config_file import Configuration
    from gateway.policy_layers import Stack
    from gateway.stores.base import Directory
    from gateway.stores.sql_books import SqlBooks
    from policies.origin import Level
    from policies.policy import Policy


@click.group("policy")
def command() -> None:
    """Test, lint and try packs; see what outcomes speak for changing."""


@command.command("test")
@config_option
@layer_options
@click.argument("packs", nargs=-1)
def test(*, config: Path | None, team: str, key_packs: tuple[str, ...], packs: tuple[str, ...]) -> None:
    """Run the tests beside PACKS (default: the configured ones); exit 1 if any fails.

    Each pack lies over what the configuration has below it; a new one over the organisation's packs, and over
    the team's and the key's where they are named.
    """
    configuration = open_layers(config, team)
    from gateway.pack_files import load_reach, test_file
    from gateway.policy_layers import compile_stack, configured_stacks, run_pack_tests

    fleet = or_fail(lambda: load_reach(configuration)).fleet
    named = [_stack(name, configuration, team, key_packs) for name in packs]
    stacks = named or or_fail(lambda: list(configured_stacks(configuration)))
    failed = total = 0
    for stack in stacks:
        path = stack[-1][0]
        tests = test_file(path)
        if not tests.exists():
            click.echo(f"{path}: no tests; write {tests.name}", err=True)
            continue
        policy = or_fail(lambda s=stack: compile_stack(s, fleet))  # type: ignore[misc]
        count, failures = or_fail(lambda p=path, q=policy: run_pack_tests(p, q))  # type: ignore[misc]
        total, failed = total + count, failed + len(failures)
        for failure in failures:
            click.echo(f"{tests}:{failure.line}: {failure.name}: {failure.message}")
    click.echo(f"{total - failed} passed, {failed} failed")
    if failed:
        raise SystemExit(1)


@command.command("lint")
@config_option
@layer_options
@click.option("--strict", is_flag=True, help="Exit 1 for a warning too.")
@click.argument("packs", nargs=-1, required=True)
def lint(
    *, config: Path | None, team: str, key_packs: tuple[str, ...], packs: tuple[str, ...], strict: bool
) -> None:
    """Compile PACKS, each over what lies below it; say what is wrong or odd, where, and what to do.

    What lies below is what the configuration has there; below a new pack, the organisation's packs, and the
    team's and the key's where they are named.
    """
    configuration = open_layers(config, team)
    from gateway.pack_files import load_reach
    from gateway.policy_layers import compile_stack, stack_texts
    from policies.lint import warnings

    fleet = or_fail(lambda: load_reach(configuration)).fleet
    odd = 0
    for name in packs:
        stack = _stack(name, configuration, team, key_packs)
        policy = or_fail(lambda s=stack: compile_stack(s, fleet))  # type: ignore[misc]
        below = or_fail(lambda s=stack: compile_stack(s[:-1], fleet)) if stack[:-1] else None  # type: ignore[misc]
        click.echo(f"{stack[-1][0]}: ok, {len(policy.triggers)} triggers, revision {policy.revision}")
        for warning in warnings(below, policy, or_fail(lambda s=stack: stack_texts(s))):  # type: ignore[misc]
            odd += 1
            click.echo(f"{warning.path}:{warning.line}: warning: {warning.message}")
    if odd and strict:
        raise SystemExit(1)


@command.command("diff")
@config_option
@layer_options
@click.option(
    "--prompts",
    type=click.File("r"),
    help="A file of asks, one a line: say which would be decided otherwise.",
)
@click.argument("before")
@click.argument("after")
def diff(
    *,
    config: Path | None,
    team: str,
    key_packs: tuple[str, ...],
    before: str,
    after: str,
    prompts: TextIO | None,
) -> None:
    """Say in words what sets two policies apart; BEFORE and AFTER are packs, several joined by commas.

    They stand in the organisation's place: the packs of the team and of the key that are named lie over both.
    For decisions already recorded, `gateway policy backtest` says what a pack would have changed.
    """
    configuration = open_layers(config, team)
    from gateway.pack_files import load_reach
    from gateway.policy_layers import compile_stack, configured_layers
    from policies.differences import differences

    fleet = or_fail(lambda: load_reach(configuration)).fleet
    layers = or_fail(lambda: configured_layers(configuration, team, key_packs))
    over = [layer for layer in layers if layer[1] != "organisation"]
    stacks = [[*_named(side, configuration), *over] for side in (before, after)]
    old, new = (or_fail(lambda s=stack: compile_stack(s, fleet)) for stack in stacks)  # type: ignore[misc]
    lines = differences(old, new)
    click.echo(f"{old.revision} -> {new.revision}: {len(lines)} differences")
    for line in lines:
        click.echo(f"  {line}")
    if prompts is not None:
        _compare([line.strip() for line in prompts if line.strip()], old, new)


def _compare(asks: Sequence[str], old: Policy, new: Policy) -> None:
    """Print the asks that two policies decide otherwise."""
    from gateway.judging import Judge

    was, now = (Judge(policy, now=time.time()) for policy in (old, new))
    changed = 0
    for ask in asks:
        one, two = was.judge_text(ask).decision, now.judge_text(ask).decision
        if (one.tier, one.denial is None) != (two.tier, two.denial is None):
            changed += 1
            click.echo(f"  {ask[:70]}: {_verdict(one)} -> {_verdict(two)} ({two.reason})")
    click.echo(f"{changed} of {len(asks)} prompts would be decided otherwise")


def _stack(name: str, configuration: Configuration, team: str, key_packs: tuple[str, ...]) -> Stack:
    """Return a named pack with what lies below it; end the command with one line if there is none."""
    from gateway.pack_files import resolve_pack
    from gateway.policy_layers import stack_of

    return or_fail(lambda: stack_of(resolve_pack(name, configuration.folder), configuration, team, key_packs))


def _named(side: str, configuration: Configuration) -> list[tuple[Path, Level]]:
    """Return the packs one side of a comparison names, in the organisation's layer."""
    from gateway.pack_files import resolve_pack

    names = [name.strip() for name in side.split(",")]
    return or_fail(lambda: [(resolve_pack(name, configuration.folder), "organisation") for name in names])


def _verdict(decision: Decision) -> str:
    return decision.tier if decision.denial is None else "refused"


@command.command("backtest")
@config_option
@layer_options
@click.option("--since", default=None, help="Day or instant; default 30 days ago.")
@click.option("--until", default=None, help="Day (included) or instant (excluded); default now.")
@click.option("--tz", default="UTC", help="Time zone in which days begin.")
@click.option("--show", type=click.IntRange(0, 1000), default=10, help="How many changed decisions to list.")
@click.argument("pack")
def backtest(
    *,
    config: Path | None,
    team: str,
    key_packs: tuple[str, ...],
    pack: str,
    show: int,
    **window: str | None,
) -> None:
    """Say what PACK, laid over what the configuration has below it, would have changed.

    With a team only its decisions are tried, with its packs and the named ones of a key below PACK.
    """
    configuration = open_layers(config, team)
    from gateway.cli.replay import ask, run, show_result
    from gateway.pack_files import load_reach
    from gateway.policy_layers import compile_stack

    stack = _stack(pack, configuration, team, key_packs)
    question = or_fail(lambda: ask(window, show))
    policy = or_fail(lambda: compile_stack(stack, load_reach(configuration).fleet))
    show_result(run(configuration, lambda _team, _packs: policy, question, team=team))


@command.command("suggest")
@config_option
@click.option("--since", default=None, help="Day or instant; default 30 days ago.")
@click.option("--until", default=None, help="Day (included) or instant (excluded); default now.")
@click.option("--tz", default="UTC", help="Time zone in which days begin.")
@click.option("--team", default=None, help="Only this team's outcomes, and its policy.")
@click.option("--key-pack", "key_packs", multiple=True, help="With this pack of a key on top.")
@click.option("--json", "as_json", is_flag=True, help="Print the suggestions as JSON.")
def suggest(
    *, config: Path | None, team: str | None, key_packs: tuple[str, ...], as_json: bool, **window: str | None
) -> None:
    """Say which changes to the packs outcomes speak for; nothing is changed."""
    configuration = open_configuration(config, need_secrets=False)
    from gateway.pack_files import load_reach
    from gateway.policy_layers import load_policies
    from gateway.suggesting import Suggestions, suggest_changes

    fleet = or_fail(lambda: load_reach(configuration)).fleet
    policy = or_fail(lambda: load_policies(configuration, fleet).for_key(team or "", key_packs))
    zone = window["tz"] or "UTC"
    span = or_fail(lambda: parse_span(window["since"], window["until"], zone, now=time.time()))

    async def use(books: SqlBooks, directory: Directory) -> Suggestions:
        team_id = None if team is None else (await directory.find_team(team)).id
        return await suggest_changes(books, books, policy, span, team_id=team_id)

    found = with_books(configuration, use)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    for suggestion in found.suggestions:
        click.echo(f"{suggestion.trigger}: {suggestion.change}")
        click.echo(f"    {suggestion.because}; chance {suggestion.chance:g}")
    click.echo(f"{len(found.suggestions)} suggestions from {found.decisions} decisions with a known outcome")
