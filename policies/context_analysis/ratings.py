"""Impact and risk: declared rules over declared context, paths, words, measures and constructs.

A dimension's score is 1 - (1 - w1)(1 - w2)... over the rules that spoke, so that evidence adds up and never
passes 1. It is None where nothing was there for any of its rules to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from policies.context_analysis.report import ContextReport, FileReport, Impact, Rating, Reason, Risk
from policies.context_analysis.rules import Rule, Rules, path_words
from policies.facts import Declared

_MAX_PATHS = 1_000


class _Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules may look at."""

    declared: Declared
    paths: tuple[tuple[str, str], ...]
    """Each path with its words."""
    description: str
    spoken: frozenset[str]
    report: ContextReport


def assess_impact(
    rules: Rules,
    *,
    declared: Declared | None = None,
    report: ContextReport | None = None,
    paths: Sequence[str] = (),
    description: str = "",
) -> Impact:
    """Return what the business stands to lose or gain; paths of the report count as well."""
    evidence = _gather(rules, declared, report, paths, description)
    return Impact(**{name: _rate(name, rules.impact, evidence) for name in Impact.__struct_fields__})


def assess_risk(
    rules: Rules,
    report: ContextReport,
    *,
    declared: Declared | None = None,
    paths: Sequence[str] = (),
    description: str = "",
) -> Risk:
    """Return what could go wrong with code measured by `analyze_code(..., rules=rules)`."""
    evidence = _gather(rules, declared, report, paths, description)
    return Risk(**{name: _rate(name, rules.risk, evidence) for name in Risk.__struct_fields__})


def _gather(
    rules: Rules,
    declared: Declared | None,
    report: ContextReport | None,
    paths: Sequence[str],
    description: str,
) -> _Evidence:
    report = report or ContextReport()
    own = (file.path for file in report.files if file.path)
    known = list(dict.fromkeys((*paths, *own)))[:_MAX_PATHS]
    return _Evidence(
        declared=declared or Declared(),
        paths=tuple((path, path_words(path)) for path in known),
        description=description,
        spoken=rules.spoken(description) if description.strip() else frozenset(),
        report=report,
    )


def _rate(dimension: str, rules: Sequence[Rule], evidence: _Evidence) -> Rating:
    relevant = [rule for rule in rules if dimension in rule.raises]
    if not any(_LOOKS[rule.kind](rule, evidence) is not None for rule in relevant):
        return Rating()
    reasons: list[Reason] = []
    rest = 1.0
    for rule in relevant:
        for where in _LOOKS[rule.kind](rule, evidence) or ():
            weight = rule.raises[dimension]
            reasons.append(Reason(rule=rule.id, weight=weight, because=rule.because, where=where or None))
            rest *= 1.0 - weight
    reasons.sort(key=lambda reason: -reason.weight)
    return Rating(score=round(1.0 - rest, 4), reasons=tuple(reasons))


_Look = Callable[[Rule, _Evidence], tuple[str, ...] | None]
"""Return None where there is nothing to look at, () where nothing matches, else one place ('' for none)."""


def _in_value(rule: Rule, value: str | None) -> tuple[str, ...] | None:
    if value is None or not value.strip():
        return None
    return ("",) if rule.matches(path_words(value[:1_000])) else ()


def _in_tags(rule: Rule, evidence: _Evidence) -> tuple[str, ...] | None:
    if not evidence.declared.tags:
        return None
    return _in_value(rule, " ".join(f"{key} {value}" for key, value in evidence.declared.tags))


def _in_paths(rule: Rule, evidence: _Evidence) -> tuple[str, ...] | None:
    if not evidence.paths:
        return None
    return next(((path,) for path, words in evidence.paths if rule.matches(words)), ())


def _in_words(rule: Rule, evidence: _Evidence) -> tuple[str, ...] | None:
    if not evidence.description.strip():
        return None
    return ("",) if rule.id in evidence.spoken else ()


def _in_code(rule: Rule, evidence: _Evidence) -> tuple[str, ...] | None:
    files = evidence.report.files
    if not any(file.parsed != "unknown" or file.constructs for file in files):
        return None
    return next((_place(file, c.line) for file in files for c in file.constructs if c.rule == rule.id), ())


def _place(file: FileReport, line: int) -> tuple[str, ...]:
    return (f"{file.path}:{line}" if file.path else f"line {line}",)


def _in_measures(rule: Rule, evidence: _Evidence) -> tuple[str, ...] | None:
    value = measured(evidence.report, rule.measure.name) if rule.measure else None
    if value is None:
        return None
    return (f"{rule.measure.name} {value:g}",) if rule.measure and rule.speaks(value) else ()


def measured(report: ContextReport, name: str) -> float | None:
    """Return one measure of a report by its name in the rules; None where it is unknown."""
    if name in {"changed_lines", "removed_lines", "diff_files"}:
        if not report.diff_files:
            return None
        changed = {"changed_lines": report.added + report.removed, "removed_lines": report.removed}
        return float(changed.get(name, report.diff_files))
    value: float | None = getattr(report, name)
    return None if value is None else float(value)


_LOOKS: dict[str, _Look] = {
    "services": lambda rule, evidence: _in_value(rule, evidence.declared.service),
    "environments": lambda rule, evidence: _in_value(rule, evidence.declared.environment),
    "impacts": lambda rule, evidence: _in_value(rule, evidence.declared.impact),
    "data_classes": lambda rule, evidence: _in_value(rule, evidence.declared.data_class),
    "tags": _in_tags,
    "paths": _in_paths,
    "words": _in_words,
    "code": _in_code,
    "text": _in_code,
    "measure": _in_measures,
}


def ratings(rated: Impact | Risk) -> Iterable[tuple[str, Rating]]:
    """Yield each dimension's name and rating, in the order of the fields."""
    for name in rated.__struct_fields__:
        yield name, getattr(rated, name)
