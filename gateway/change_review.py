"""Does a change deserve the premium reviewer? The policy's verdict and the ratings, with places. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from gateway.explain import explain
from gateway.tasks import Analysis
from policies.context_analysis import Impact, Risk
from policies.facts import Tier
from policies.verdicts import Decision

_SHOWN_FROM = 0.2
Level = Literal["note", "warning"]


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to look at, and where."""

    rule: str
    """`trigger/<id>`, or `risk/<dimension>/<rule>` and `impact/...`."""
    level: Level
    message: str
    path: str | None = None
    line: int | None = None


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """Who should review a change, and why."""

    tier: Tier
    reasons: list[str]
    """What asks for the premium reviewer; empty where the change is routine."""
    sentence: str
    """What the policy says of the change, in words."""
    marks: list[Mark]
    analysis: Analysis
    complete: bool
    """The whole change was read."""


def review_change(
    analysis: Analysis, decision: Decision | None, *, premium_at: float, complete: bool
) -> Review:
    """Return the review of a change; `decision` is None where nothing says what it is for."""
    reasons = [*_asked(decision), *_rated(analysis, premium_at)]
    if not complete:
        reasons.append("the change is longer than can be read")
    return Review(
        tier="premium" if reasons else "base",
        reasons=reasons,
        sentence=explain(decision).sentence if decision else "no commit message or description to judge by",
        marks=[*_trigger_marks(decision), *_rating_marks(analysis, premium_at)],
        analysis=analysis,
        complete=complete,
    )


def _asked(decision: Decision | None) -> Iterator[str]:
    if decision is not None and decision.tier == "premium":
        yield decision.reason


def _dimensions(analysis: Analysis) -> Iterator[tuple[str, str, Impact | Risk]]:
    for kind, rated in (("risk", analysis.risk), ("impact", analysis.impact)):
        for name in rated.__struct_fields__:
            yield kind, name, rated


def _rated(analysis: Analysis, premium_at: float) -> Iterator[str]:
    for kind, name, rated in _dimensions(analysis):
        rating = getattr(rated, name)
        if rating.score is not None and rating.score >= premium_at:
            because = "; ".join(reason.because for reason in rating.reasons[:3])
            yield f"{name} {kind} {rating.score:.2f}: {because}"


def _trigger_marks(decision: Decision | None) -> Iterator[Mark]:
    for finding in decision.findings if decision else ():
        level: Level = "warning" if finding.floor == "premium" else "note"
        yield Mark(rule=f"trigger/{finding.trigger}", level=level, message=finding.because)


def _rating_marks(analysis: Analysis, premium_at: float) -> Iterator[Mark]:
    known = {file.path for file in analysis.context.files if file.path}
    for kind, name, rated in _dimensions(analysis):
        rating = getattr(rated, name)
        heavy = rating.score is not None and rating.score >= premium_at
        for reason in rating.reasons:
            if reason.weight >= _SHOWN_FROM:
                path, line = _place(reason.where, known)
                yield Mark(
                    rule=f"{kind}/{name}/{reason.rule}",
                    level="warning" if heavy else "note",
                    message=reason.because,
                    path=path,
                    line=line,
                )


def _place(where: str | None, known: set[str]) -> tuple[str | None, int | None]:
    """Return path and line where a reason names a file of the change."""
    if where is None or where in known:
        return where, None
    path, _, line = where.rpartition(":")
    return (path, int(line)) if path in known and line.isdecimal() else (None, None)
