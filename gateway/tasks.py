"""A task as the escalation endpoints take it: a chat request, or words with files or a diff. Pure."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from gateway.errors import InvalidRequest
from gateway.features import AUTO, read_declared
from gateway.http_values import misfit
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


AnyTask = TypeVar("AnyTask", bound="Task")
_STREAMING = ("stream", "stream_options")
_EMPTY = "the task has neither `request` nor `description`; give one"
_CONTROLS_SHARE = 0.1


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


def decode_task(raw: bytes, shape: type[AnyTask]) -> AnyTask:
    """Return the task in a body; raise InvalidRequest for what is no task, or holds a binary file."""
    try:
        task = msgspec.json.decode(raw, type=shape)
    except msgspec.ValidationError as error:
        raise misfit(error, shape) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"the request body is not JSON: {str(error)[:200]}") from None
    for path, text in (*task.files.items(), ("diff", task.diff)):
        if _is_binary(text):
            shown = path.encode("ascii", "backslashreplace").decode()[:120]
            message = f"`{shown}` is binary; send text files only"
            raise InvalidRequest(message, param="diff" if path == "diff" else "files")
    return task


def task_body(task: Task) -> bytes:
    """Return the request a task is carried out by: the client's own, unstreamed, or a prompt made of it."""
    if task.request is not None:
        kept = {name: value for name, value in task.request.items() if name not in _STREAMING}
        return msgspec.json.encode(kept)
    if not task.description:
        raise InvalidRequest(_EMPTY, param="description")
    prompt = "\n\n".join((task.description, *_fenced(task)))
    return msgspec.json.encode({"model": AUTO, "messages": [{"role": "user", "content": prompt}]})


def judge_task(task: Task, judge: Judge) -> Judged:
    """Return the decision a task would meet, without any effect; raise InvalidRequest for an empty task."""
    if task.request is not None:
        return judge.judge_request(msgspec.json.encode(task.request), task.metadata)
    if not task.description:
        raise InvalidRequest(_EMPTY, param="description")
    text = "\n\n".join((task.description, *_fenced(task)))
    return judge.judge_text(text, read_declared(task.metadata))


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


def _is_binary(text: str) -> bool:
    """Tell whether a text is what editors refuse: it holds a NUL, or one character in ten is a control."""
    head = text[:8_192]
    controls = sum(c < " " and c not in "\t\n\r\f\x1b" for c in head)
    return "\0" in text or controls > len(head) * _CONTROLS_SHARE
