"""A task as the escalation endpoints take it: a chat request, or words with files or a diff. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.errors import InvalidRequest
from gateway.features import read_declared
from gateway.judging import Judge, Judged
from policies.context_analysis import (
    ContextReport,
    Impact,
    Risk,
    Rules,
    Snippet,
    analyze_code,
    assess_impact,
    assess_risk,
    snippets_in,
)
from policies.facts import Ask

Priority = Literal["low", "normal", "high", "critical"]
Path = Annotated[str, Meta(min_length=1, max_length=512)]


class Task(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be judged or analysed."""

    request: dict[str, msgspec.Raw] | None = None
    """A chat completions body, as its client would send it; instead of a description."""
    description: Annotated[str, Meta(max_length=1_000_000)] = ""
    files: Annotated[dict[Path, str], Meta(max_length=500)] = {}
    diff: str = ""
    metadata: Annotated[dict[str, str], Meta(max_length=64)] = {}
    priority: Priority = "normal"


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """What the code of a task measures, and what that says; null is unknown, never 0."""

    context: ContextReport
    impact: Impact
    risk: Risk


def judge_task(task: Task, judge: Judge) -> Judged:
    """Return the decision a task would meet, without any effect; raise InvalidRequest for an empty task."""
    if task.request is not None:
        return judge.judge_request(msgspec.json.encode(task.request))
    if not task.description:
        raise InvalidRequest(
            "the task has neither `request` nor `description`; give one", param="description"
        )
    return judge.judge_text("\n\n".join((task.description, *_fenced(task))))


def task_ask(task: Task, judge: Judge) -> Ask:
    """Return what is asked, without the task's own files and diff; raise InvalidRequest for an empty task."""
    return judge_task(msgspec.structs.replace(task, files={}, diff=""), judge).features.ask


def analyze_task(task: Task, ask: Ask, rules: Rules) -> Analysis:
    """Return context, impact and risk of a task's code; up to a second of work, so off the event loop."""
    snippets = [
        *snippets_in(ask.text, evidence=ask.evidence),
        *(Snippet(text=text, path=path) for path, text in task.files.items()),
        *([Snippet(text=task.diff, tag="diff")] if task.diff else []),
    ]
    report = analyze_code(snippets, rules=rules)
    declared, paths = read_declared(task.metadata), tuple(task.files)
    words = task.description or ask.text
    return Analysis(
        context=report,
        impact=assess_impact(rules, declared=declared, report=report, paths=paths, description=words),
        risk=assess_risk(rules, report, declared=declared, paths=paths, description=words),
    )


def _fenced(task: Task) -> tuple[str, ...]:
    """Return files and diff as an agent would paste them: evidence, not the ask."""
    diff = (f"```diff\n{task.diff}\n```",) if task.diff else ()
    return (*(f"{path}\n```\n{text}\n```" for path, text in task.files.items()), *diff)
