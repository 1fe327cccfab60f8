"""A back-test: recorded decisions streamed past a candidate policy, here or in a process of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from gateway.decision_log import read_record
from gateway.errors import InvalidRequest, Overloaded, ServiceError
from gateway.replay import BackTest, PolicyOf, Rehearsal, Summary
from gateway.stores.base import DecisionReader, OutcomeReader
from policies.trigger_validation.history import Labelled, premium_needed, settle_labels

MOST_DECISIONS = 200_000
"""How many decisions a back-test over HTTP looks at."""
LONGEST_S = 120.0
MAX_TEXT_CHARS = 1_000_000
_WORKER = "gateway.cli.backtest"
_Name = Annotated[str, Meta(min_length=1, max_length=128)]


class Candidate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy to try: packs by name instead of the configured ones, and a pack's text laid over them."""

    packs: Annotated[list[_Name], Meta(max_length=16)] | None = None
    text: Annotated[str, Meta(max_length=MAX_TEXT_CHARS)] = ""


class Span(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which decisions: days or instants as in reports; the last 30 days unless told."""

    since: Annotated[str, Meta(max_length=64)] | None = None
    until: Annotated[str, Meta(max_length=64)] | None = None
    time_zone: Annotated[str, Meta(max_length=64)] | None = None


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What a back-test is asked; `[since_ms, until_ms)`."""

    since_ms: int
    until_ms: int
    team_id: str | None = None
    most_decisions: int | None = None
    most_examples: int = 20


class Archive(DecisionReader, OutcomeReader, Protocol):
    """Where decisions and what became of them are read."""


async def back_test(
    archive: Archive,
    policy_of: PolicyOf,
    question: Question,
    progress: Callable[[int], None],
) -> BackTest:
    """Return what the policies would have changed; holds one page of records at a time."""
    labelled = await archive.labelled(question.since_ms, question.until_ms, team_id=question.team_id)
    rehearsal = Rehearsal(policy_of)
    summary = Summary(most_examples=question.most_examples, needed=_needed(settle_labels(labelled)))
    rows = archive.decisions(question.since_ms, question.until_ms, team_id=question.team_id)
    async for row in rows:
        try:
            record = read_record(row)
        except msgspec.ValidationError:
            summary.unreadable += 1
        else:
            summary.add(rehearsal.replay(record))
        progress(1)
        if summary.decisions + summary.unreadable == question.most_decisions:
            break
    return summary.result()


def _needed(settled: Iterable[Labelled]) -> dict[str, bool]:
    told = ((outcome.decision_id, premium_needed(outcome.label, outcome.tier)) for outcome in settled)
    return {decision_id: needed for decision_id, needed in told if needed is not None}


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What a back-test process reads from its standard input."""

    config: str | None
    packs: list[str]
    text: str
    question: Question


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The one line a back-test process ends with: what it found, or why it could not."""

    found: BackTest | None = None
    refused: str = ""


class BackTests:
    """Runs back-tests in processes of their own, one at a time, so that requests do not wait for them."""

    def __init__(self, config: Path | None, *, longest_s: float = LONGEST_S) -> None:
        self._config = None if config is None else str(config.absolute())
        self._longest_s = longest_s
        self._busy = False

    @property
    def busy(self) -> bool:
        """Whether one is running."""
        return self._busy

    async def run(self, packs: list[str], text: str, question: Question) -> BackTest:
        """Return what a candidate would have changed; raise InvalidRequest, Overloaded or ServiceError."""
        if self._busy:
            raise Overloaded("another back-test is running; try again when it is done", retry_after_s=30)
        self._busy = True
        try:
            return await self._run(Job(config=self._config, packs=packs, text=text, question=question))
        finally:
            self._busy = False

    async def _run(self, job: Job) -> BackTest:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            _WORKER,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(self._longest_s):
                out, err = await process.communicate(msgspec.json.encode(job))
        except TimeoutError:
            raise Overloaded(f"the back-test took over {self._longest_s:g} s; narrow `window`") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return _read_told(out, err)


def _read_told(out: bytes, err: bytes) -> BackTest:
    try:
        told = msgspec.json.decode(out, type=Told)
    except msgspec.DecodeError:
        detail = err.decode("utf-8", "replace")[-500:]
        raise ServiceError("the back-test ended without a result; see the log", detail=detail) from None
    if told.found is None:
        raise InvalidRequest(told.refused, param="policy")
    return told.found
