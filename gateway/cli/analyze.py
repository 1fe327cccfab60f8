"""`gateway analyze`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
import msgspec

from gateway.cli.options import config_option, open_configuration, or_fail
from gateway.errors import InvalidRequest, ServiceError

if TYPE_CHECKING:  # analysing is imported when there is something to analyse
    from gateway.change_review import Review
    from gateway.git_range import ChangeRange
    from gateway.tasks import Analysis, Task
    from policies.context_analysis import Impact, Risk
    from policies.verdicts import Decision

MAX_FILE_BYTES = 1_000_000
PREMIUM_EXIT = 10
"""The exit code of a change that deserves the premium reviewer."""
_STDIN = "-"


@click.command("analyze")
@config_option
@click.option("--diff", help="A range of commits (BASE..HEAD), a diff file, or `-` for standard input.")
@click.option("--description", default="", help="What the change is for; the commits' subjects unless told.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "github"]),
    default="text",
    help="How to print: for people, as JSON, as SARIF 2.1.0, as GitHub annotations.",
)
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
@click.option(
    "--premium-at",
    type=click.FloatRange(0.0, 1.0),
    default=0.7,
    show_default=True,
    help="A rating of risk or impact from which a change deserves the premium reviewer.",
)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
def command(
    *,
    config: Path | None,
    diff: str | None,
    description: str,
    form: Literal["text", "json", "sarif", "github"],
    premium_at: float,
    paths: tuple[Path, ...],
) -> None:
    """Measure the code of PATHS or of a diff, and say whether a change deserves the premium reviewer.

    With --diff the exit code is 0 for a routine change and 10 for one that deserves premium; 2 means that
    the command was not understood, 1 that something failed.
    """
    from gateway.change_review import review_change
    from gateway.pack_files import load_impact_rules
    from gateway.tasks import Task, analyze_task
    from policies.facts import Ask

    if not paths and diff is None:
        raise click.UsageError("name files, or give a --diff (`gateway analyze --diff main..HEAD`)")
    change = None if diff is None else _change(diff)
    files = {str(path): path.read_text(errors="replace")[:MAX_FILE_BYTES] for path in paths}
    said = description or "\n".join(change.subjects if change else ())
    task = Task(files=files, diff=change.diff if change else "", description=said)
    analysis = or_fail(lambda: analyze_task(task, Ask(text=said), load_impact_rules()))
    decision = _judged(task, config) if change and said else None
    complete = change is None or change.complete
    review = review_change(analysis, decision, premium_at=premium_at, complete=complete)
    _show(review, form, judged=change is not None)
    if change is not None and review.tier == "premium":
        raise SystemExit(PREMIUM_EXIT)


def _change(diff: str) -> ChangeRange:
    """Return the change a file, standard input or a range of commits holds; end with exit code 2."""
    from gateway.git_range import MAX_DIFF_BYTES, ChangeRange, read_range

    if diff != _STDIN and not Path(diff).is_file():
        try:
            return read_range(diff, Path.cwd())
        except InvalidRequest as error:
            raise click.UsageError(error.message) from None
        except ServiceError as error:
            raise click.ClickException(error.message) from None
    if diff == _STDIN:
        raw = sys.stdin.buffer.read(MAX_DIFF_BYTES + 1)
    else:
        with Path(diff).open("rb") as file:
            raw = file.read(MAX_DIFF_BYTES + 1)
    text = raw[:MAX_DIFF_BYTES].decode("utf-8", "replace")
    return ChangeRange(diff=text, subjects=(), complete=len(raw) <= MAX_DIFF_BYTES)


def _judged(task: Task, config: Path | None) -> Decision:
    from gateway.judging import Judge
    from gateway.pack_files import load_reach
    from gateway.policy_layers import load_policies
    from gateway.tasks import judge_task

    configuration = open_configuration(config, need_secrets=False)
    fleet = or_fail(lambda: load_reach(configuration)).fleet
    policy = or_fail(lambda: load_policies(configuration, fleet)).organisation
    return or_fail(lambda: judge_task(task, Judge(policy, now=time.time()))).decision


def _show(review: Review, form: Literal["text", "json", "sarif", "github"], *, judged: bool) -> None:
    from gateway.review_formats import to_github, to_sarif

    if form == "json":
        _print_json(review if judged else review.analysis)
    elif form == "sarif":
        _print_json(to_sarif(review))
    elif form == "github":
        for line in to_github(review):
            click.echo(line)
    else:
        _print(review.analysis)
        if judged:
            _print_verdict(review)


def _print_json(value: object) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _print_verdict(review: Review) -> None:
    deserved = "deserves the premium reviewer" if review.tier == "premium" else "routine change"
    click.echo(f"{'verdict':20} {deserved}")
    for reason in review.reasons:
        click.echo(f"{'':20} {reason}")
    click.echo(f"{'policy':20} {review.sentence}")


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
    for name in ratings.__struct_fields__:
        rating = getattr(ratings, name)
        score = "unknown" if rating.score is None else f"{rating.score:.2f}"
        reasons = "; ".join(reason.because for reason in rating.reasons[:3])
        click.echo(f"{title:6} {name:15} {score:8} {reasons}".rstrip())
