"""`gateway analyze`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click
import msgspec

from gateway.cli.options import config_option, or_fail

if TYPE_CHECKING:  # analysing is imported when there is something to analyse
    from gateway.tasks import Analysis
    from policies.context_analysis import Impact, Risk

MAX_FILE_BYTES = 1_000_000


@click.command("analyze")
@config_option
@click.option("--diff", type=click.File("r", errors="replace"), help="A diff, `-` for standard input.")
@click.option("--description", default="", help="What the change is for, in words.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole analysis as JSON.")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
def command(
    *,
    config: Path | None,  # noqa: ARG001 - every command takes --config
    diff: TextIO | None,
    description: str,
    as_json: bool,
    paths: tuple[Path, ...],
) -> None:
    """Measure the code of PATHS or of a diff: complexity, coupling, business impact and risk."""
    from gateway.policy_source import load_impact_rules
    from gateway.tasks import Task, analyze_task
    from policies.facts import Ask

    if not paths and diff is None:
        raise click.UsageError("name files, or give a --diff (`git diff | gateway analyze --diff -`)")
    files = {str(path): path.read_text(errors="replace")[:MAX_FILE_BYTES] for path in paths}
    task = Task(files=files, diff=diff.read() if diff else "", description=description)
    analysis = or_fail(lambda: analyze_task(task, Ask(text=description), load_impact_rules()))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(analysis), indent=2).decode())
    else:
        _print(analysis)


def _print(analysis: Analysis) -> None:
    context = analysis.context
    shown = {
        "files": len(context.files),
        "languages": ", ".join(context.languages) or None,
        "coverage": context.coverage,
        "functions": context.functions,
        "classes": context.classes,
        "cyclomatic, worst": context.cyclomatic_max,
        "cyclomatic, mean": context.cyclomatic_mean,
        "dependencies": context.dependencies,
        "coupling, most": context.coupling_max,
        "cohesion, least": context.cohesion_min,
        "lines added": context.added,
        "lines removed": context.removed,
    }
    for name, value in shown.items():
        click.echo(f"{name:20} {'unknown' if value is None else value}")
    _print_ratings("impact", analysis.impact)
    _print_ratings("risk", analysis.risk)


def _print_ratings(title: str, ratings: Impact | Risk) -> None:
    for name in ratings.__slots__:
        rating = getattr(ratings, name)
        score = "unknown" if rating.score is None else f"{rating.score:.2f}"
        reasons = "; ".join(reason.because for reason in rating.reasons[:3])
        click.echo(f"{title:6} {name:15} {score:8} {reasons}".rstrip())
