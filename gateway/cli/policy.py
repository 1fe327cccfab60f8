"""`gateway policy`."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.options import config_option, open_configuration, or_fail


@click.group("policy")
def command() -> None:
    """Test and lint packs."""


@command.command("test")
@config_option
@click.argument("packs", nargs=-1)
def test(*, config: Path | None, packs: tuple[str, ...]) -> None:
    """Run the tests beside PACKS (default: the configured ones); exit 1 if any fails.

    Each pack is laid over the configured packs before it; one that is not configured, over all of them.
    """
    configuration = open_configuration(config, need_secrets=False)
    from gateway.policy_source import (
        compile_packs,
        load_reach,
        pack_paths,
        pack_stack,
        resolve_pack,
        run_pack_tests,
        test_file,
    )

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
@click.argument("packs", nargs=-1, required=True)
def lint(*, config: Path | None, packs: tuple[str, ...]) -> None:
    """Compile PACKS, each over the configured packs before it; say what is wrong, where, what to do."""
    configuration = open_configuration(config, need_secrets=False)
    from gateway.policy_source import compile_packs, load_reach, pack_stack, resolve_pack

    fleet = or_fail(lambda: load_reach(configuration)).fleet
    for name in packs:
        path = or_fail(lambda n=name: resolve_pack(n, configuration.folder))  # type: ignore[misc]
        stack = pack_stack(path, configuration)
        policy = or_fail(lambda s=stack: compile_packs(s, fleet))  # type: ignore[misc]
        click.echo(f"{path}: ok, {len(policy.triggers)} triggers, revision {policy.revision}")
