"""A review as build pipelines read it: SARIF 2.1.0, and GitHub's workflow commands. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote

from gateway.change_review import Mark, Review

_SARIF = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
MOST_MARKS = 1_000
MOST_ANNOTATIONS = 50
_ROUTINE = "routine change"
_PREMIUM = "deserves the premium reviewer"

Json = Mapping[str, object]


def to_sarif(review: Review) -> Json:
    """Return the review as a SARIF log (OASIS, 2.1.0, section 3); one run, a rule per kind of mark."""
    marks = review.marks[:MOST_MARKS]
    rules = list(dict.fromkeys(mark.rule for mark in marks))
    fallback = next((f.path for f in review.analysis.context.files if f.path), None)
    return {
        "$schema": _SARIF,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "gateway analyze",
                        "rules": [{"id": rule, "shortDescription": {"text": _words(rule)}} for rule in rules],
                    }
                },
                "results": [_result(mark, rules, fallback) for mark in marks],
                "properties": {"tier": review.tier, "reasons": review.reasons, "complete": review.complete},
            }
        ],
    }


def to_github(review: Review) -> Iterator[str]:
    """Yield workflow commands: the verdict, then an annotation for every mark, the heavy ones first."""
    title = _PREMIUM if review.tier == "premium" else _ROUTINE
    yield _command("notice", {"title": title}, "; ".join(review.reasons) or review.sentence)
    for mark in sorted(review.marks, key=lambda m: m.level != "warning")[:MOST_ANNOTATIONS]:
        place: dict[str, str] = {}
        if mark.path is not None:
            place = {"file": mark.path, "line": str(mark.line or 1)}
        level = "warning" if mark.level == "warning" else "notice"
        yield _command(level, place | {"title": mark.rule}, mark.message)


def _result(mark: Mark, rules: Sequence[str], fallback: str | None) -> Json:
    result: dict[str, object] = {
        "ruleId": mark.rule,
        "ruleIndex": rules.index(mark.rule),
        "level": mark.level,
        "message": {"text": mark.message},
    }
    path = mark.path or fallback
    if path is not None:
        result["locations"] = [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(path)},
                    "region": {"startLine": mark.line or 1},
                }
            }
        ]
    return result


def _uri(path: str) -> str:
    """Return a path as a relative reference (RFC 3986); its first part can be taken for no scheme."""
    return quote(path.replace("\\", "/").encode("utf-8", "replace"), safe="/._-~")


def _words(rule: str) -> str:
    return rule.replace("/", ", ").replace("_", " ").replace("-", " ")


def _command(name: str, properties: Mapping[str, str], message: str) -> str:
    given = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in properties.items())
    return f"::{name} {given}::{_escaped(message)}"


def _escaped(text: str, also: str = "") -> str:
    """Escape what would end a command or begin another one; percent first."""
    for char in ("%", "\r", "\n", *also):
        text = text.replace(char, f"%{ord(char):02X}")
    return text
