"""`gateway policy`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click
import msgspec

from gateway.cli.options import config_option, open_configuration, or_fail, with_books
from gateway.reports import parse_span
from policies.verdicts import Decision

if TYPE_CHECKING:  # SQL is imported when the books are opened
    from gateway.stores.base import Directory
    from gateway.stores.sql_books import SqlBooks


@click.group("policy")
def command() -> None:
    """Test, lint and try packs; see what outcomes speak for changing."""


@command.command("test")
@config_option
@click.argument("packs", nargs=-1)
def test(*, config: Path | None, packs: tuple[str, ...]) -> None:
    """Run the tests beside PACKS (default: the configured ones); exit 1 if any fails.

    Each pack is laid over the configured packs before it; one that is not configured, over all of them.
    """
    configuration = open_configuration(config, need_secrets=False)
    from gateway.pack_files import load_reach, pack_paths, resolve_pack, test_file
    from gateway.policy_layers import compile_packs, pack_stack, run_pack_tests

    fleet = or_fail(lambda: load_reach(configuration)).fleet
    named = [or_fail(lambda n=name: resolve_pack(n, configuration.folder)) for name in packs]  # type: ignore[misc]
    paths = named or list(pack_paths(configuration))
    failed = total = 0
    for path in paths:
        tests = test_file(path)
        if not tests.exists():
            click.echo(f"{path}: no tests; write {tests.name}", err=True)
            continue
        stack = pack_stack(path, configuration)
        policy = or_fail(lambda s=stack: compile_packs(s, fleet))  # type: ignore[misc]
        count, failures = or_fail(lambda p=path, q=policy: run_pack_tests(p, q))  # type: ignore[misc]
        total, failed = total + count, failed + len(failures)
        for failure in failures:
            click.echo(f"{tests}:{failure.line}: {failure.name}: {failure.message}")
    click.echo(f"{total - failed} passed, {failed} failed")
    if failed:
        raise SystemExit(1)


@command.command("lint")
@config_option
@click.option("--strict", is_flag=True, help="Exit 1 for a warning too.")
@click.argument("packs", nargs=-1, required=True)
def lint(*, config: Path | None, packs: tuple[str, ...], strict: bool) -> None:
    """Compile PACKS, each over the configured packs before it; say what is wrong or odd, and what to do."""
    configuration = open_configuration(config, need_secrets=False)
    from gateway.pack_files import load_reach, pack_name, resolve_pack
    from gateway.policy_layers import compile_packs, pack_stack
    from policies.lint import warnings

    fleet = or_fail(lambda: load_reach(configuration)).fleet
    failed = False
    for name in packs:
        path = or_fail(lambda n=name: resolve_pack(n, configuration.folder))  # type: ignore[misc]
        stack = pack_stack(path, configuration)
        policy = or_fail(lambda s=stack: compile_packs(s, fleet))  # type: ignore[misc]
        below = or_fail(lambda s=stack: compile_packs(s[:-1], fleet)) if stack[:-1] else None  # type: ignore[misc]
        odd = warnings(below, policy, [pack_name(p) for p in stack])
        click.echo(f"{path}: ok, {len(policy.triggers)} triggers, revision {policy.revision}")
        for warning in odd:
            click.echo(f"{path}: warning: {warning}")
        failed = failed or bool(odd)
    if failed and strict:
        raise SystemExit(1)


@command.command("diff")
@config_option
@click.option(
    "--prompts",
    type=click.File("r"),
    help="A file of asks, one a line: say which would be decided otherwise.",
)
@click.argument("before")
@click.argument("after")
def diff(*, config: Path | None, before: str, after: str, prompts: TextIO | None) -> None:
    """Say in words what sets two policies apart; BEFORE and AFTER are packs, several joined by commas.

    For decisions already recorded, `gateway policy backtest` says what a pack would have changed.
    """
    configuration = open_configuration(config, need_secrets=False)
    from gateway.judging import Judge
    from gateway.pack_files import load_reach, resolve_pack
    from gateway.policy_layers import compile_packs
    from policies.differences import differences

    fleet = or_fail(lambda: load_reach(configuration)).fleet
    stacks = [
        or_fail(lambda s=side: [resolve_pack(n.strip(), configuration.folder) for n in s.split(",")])  # type: ignore[misc]
        for side in (before, after)
    ]
    old, new = (or_fail(lambda s=stack: compile_packs(s, fleet)) for stack in stacks)  # type: ignore[misc]
    lines = differences(old, new)
    click.echo(f"{old.revision} -> {new.revision}: {len(lines)} differences")
    for line in lines:
        click.echo(f"  {line}")
    if prompts is None:
        return
    asks = [line.strip() for line in prompts if line.strip()]
    was, now = (Judge(policy, now=time.time()) for policy in (old, new))
    changed = 0
    for ask in asks:
        one, two = was.judge_text(ask).decision, now.judge_text(ask).decision
        if (one.tier, one.denial is None) != (two.tier, two.denial is None):
            changed += 1
            click.echo(f"  {ask[:70]}: {_verdict(one)} -> {_verdict(two)} ({two.reason})")
    click.echo(f"{changed} of {len(asks)} prompts would be decided otherwise")


def _verdict(decision: Decision) -> str:
    return decision.tier if decision.denial is None else "refused"


@command.command("backtest")
@config_option
@click.option("--since", default=None, help="Day or instant; default 30 days ago.")
@click.option("--until", default=None, help="Day (included) or instant (excluded); default now.")
@click.option("--tz", default="UTC", help="Time zone in which days begin.")
@click.option("--show", type=click.IntRange(0, 1000), default=10, help="How many changed decisions to list.")
@click.argument("pack")
def backtest(*, config: Path | None, pack: str, show: int, **window: str | None) -> None:
    """Say what PACK, laid over the configured packs before it, would have changed."""
    configuration = open_configuration(config, need_secrets=False)
    from gateway.cli.replay import ask, candidate, run, show_result
    from gateway.pack_files import resolve_pack
    from gateway.policy_layers import pack_stack

    stack = or_fail(lambda: pack_stack(resolve_pack(pack, configuration.folder), configuration))
    question = or_fail(lambda: ask(window, show))
    policy_of = or_fail(lambda: candidate(configuration, [str(path) for path in stack]))
    show_result(run(configuration, policy_of, question))


@command.command("suggest")
@config_option
@click.option("--since", default=None, help="Day or instant; default 30 days ago.")
@click.option("--until", default=None, help="Day (included) or instant (excluded); default now.")
@click.option("--tz", default="UTC", help="Time zone in which days begin.")
@click.option("--team", default=None, help="Only this team's outcomes, and its policy.")
@click.option("--json", "as_json", is_flag=True, help="Print the suggestions as JSON.")
def suggest(*, config: Path | None, team: str | None, as_json: bool, **window: str | None) -> None:
    """Say which changes to the packs outcomes speak for; nothing is changed."""
    configuration = open_configuration(config, need_secrets=False)
    from gateway.pack_files import load_reach
    from gateway.policy_layers import load_policies
    from gateway.suggesting import Suggestions, suggest_changes

    fleet = or_fail(lambda: load_reach(configuration)).fleet
    policy = or_fail(lambda: load_policies(configuration, fleet)).for_team(team or "")
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
