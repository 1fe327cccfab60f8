"""`impact.yaml` compiled: what raises an impact or a risk, told by declared context, paths, words and code.

Every pattern is RE2, so no rule can stall the gateway whatever code it reads.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal, get_args

import msgspec
import re2

from policies.escalation_triggers.lexicon import LexiconSource, Term, compile_term
from policies.facts import Ask, Features
from policies.yaml_faults import nearest
from policies.yaml_lines import Document, DocumentError, convert, read

Kind = Literal[
    "services", "environments", "impacts", "data_classes", "tags", "paths", "words", "code", "text", "measure"
]
ImpactName = Literal["revenue", "customer", "compliance", "operational", "strategic"]
RiskName = Literal["security", "performance", "reliability", "maintainability", "compliance"]
MEASURES = (
    "changed_lines",
    "removed_lines",
    "diff_files",
    "code_lines",
    "functions",
    "cyclomatic_max",
    "cyclomatic_mean",
    "dependencies",
    "coupling_max",
    "cohesion_min",
)
_MAX_HITS = 4
_WORDS = re.compile(r"[a-z0-9*]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = 1 << 22
_SET_OPTIONS = re2.Options()
_SET_OPTIONS.log_errors = False
_SET_OPTIONS.max_mem = 1 << 26


class MeasureDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A measure of the code and the bound past which the rule speaks."""

    name: str
    over: float | None = None
    under: float | None = None


class RuleDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule as written: exactly one way to match, and what a match raises."""

    id: str
    because: str
    raises: dict[str, float]
    services: list[str] = []
    environments: list[str] = []
    impacts: list[str] = []
    data_classes: list[str] = []
    tags: list[str] = []
    paths: list[str] = []
    words: list[str] = []
    code: list[str] = []
    text: list[str] = []
    languages: list[str] = []
    measure: MeasureDoc | None = None


class RulesDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    impact: list[RuleDoc]
    risk: list[RuleDoc]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One compiled rule."""

    id: str
    kind: Kind
    because: str
    raises: Mapping[str, float]
    languages: frozenset[str] = frozenset()
    patterns: tuple[re2._Regexp[str], ...] = ()
    measure: MeasureDoc | None = None

    def matches(self, text: str) -> bool:
        """Tell whether a pattern of the rule is in `text`."""
        return any(pattern.search(text) for pattern in self.patterns)

    def speaks(self, value: float) -> bool:
        """Tell whether a measured value is past the rule's bound."""
        if self.measure is None:
            return False
        over, under = self.measure.over, self.measure.under
        return (over is not None and value > over) or (under is not None and value < under)


class Rules:
    """All rules of one file."""

    def __init__(
        self, impact: Sequence[Rule], risk: Sequence[Rule], words: Mapping[str, Sequence[Term]]
    ) -> None:
        self.impact = tuple(impact)
        self.risk = tuple(risk)
        self._lexicon = LexiconSource(words)
        self._searches = tuple(
            _Search(kind, [r for r in self.risk if r.kind == kind]) for kind in ("code", "text")
        )

    def spoken(self, description: str) -> frozenset[str]:
        """Return the ids of the rules whose words stand in a description, un-negated."""
        signals = self._lexicon.measure(Features(ask=Ask(text=description)))
        return frozenset(
            name.removeprefix("lexicon.") for name, signal in signals.items() if signal.value > 0
        )

    def constructs(self, code: str, bare: str, language: str | None) -> Iterator[tuple[str, int]]:
        """Yield (rule id, 1-based line) for each declared construct, at most four a rule."""
        for search in self._searches:
            yield from search.find(bare if search.kind == "code" else code, language)


class _Search:
    """The construct patterns of one kind behind one pattern set."""

    def __init__(self, kind: str, rules: Sequence[Rule]) -> None:
        self.kind = kind
        self._entries = [(rule, pattern) for rule in rules for pattern in rule.patterns]
        self._set = re2.Set.SearchSet(_SET_OPTIONS)
        for _, pattern in self._entries:
            self._set.Add(pattern.pattern)
        self._set.Compile()

    def find(self, text: str, language: str | None) -> Iterator[tuple[str, int]]:
        if not self._entries:
            return
        raw = text.encode("utf-8", "replace")
        seen: dict[tuple[str, int], None] = {}
        for index in sorted(self._set.Match(raw) or ()):
            rule, pattern = self._entries[index]
            if not rule.languages or language in rule.languages:
                seen.update(dict.fromkeys((rule.id, line) for line in _lines(pattern, raw)))
        yield from seen


def compile_rules(text: str) -> Rules:
    """Return the rules of an `impact.yaml`; raise DocumentError with line and remedy."""
    document = read(text)
    doc = convert(document, RulesDoc)
    impact = _section(document, "impact", doc.impact, get_args(ImpactName))
    risk = _section(document, "risk", doc.risk, get_args(RiskName))
    words = {rule.id: [Term(word) for word in rule.words] for rule in (*doc.impact, *doc.risk) if rule.words}
    try:
        return Rules(impact, risk, words)
    except ValueError as error:
        raise DocumentError(str(error), 1) from None


def path_words(path: str) -> str:
    """Return a path's words in lower case, e.g. `src payment api java` for `src/PaymentApi.java`."""
    return " ".join(_WORDS.findall(_CAMEL.sub(" ", path).lower()))


def _section(
    document: Document, name: str, docs: Sequence[RuleDoc], dimensions: Collection[str]
) -> list[Rule]:
    seen: set[str] = set()
    rules = []
    for index, doc in enumerate(docs):
        path = f"$.{name}[{index}]"
        if doc.id in seen:
            raise DocumentError(f"rule `{doc.id}` is given twice; rename one", document.line(path))
        seen.add(doc.id)
        try:
            rules.append(_rule(doc, name, dimensions))
        except ValueError as error:
            raise DocumentError(f"rule `{doc.id}`: {error}", document.line(path)) from None
    return rules


def _rule(doc: RuleDoc, section: str, dimensions: Collection[str]) -> Rule:
    kinds = [kind for kind in get_args(Kind) if getattr(doc, kind)]
    if len(kinds) != 1:
        raise ValueError(f"{len(kinds)} ways to match; give exactly one of {', '.join(get_args(Kind))}")
    for dimension, weight in doc.raises.items():
        if dimension not in dimensions:
            raise ValueError(f"no {section} is called `{dimension}`{nearest(dimension, dimensions)}")
        if not 0.0 < weight <= 1.0:
            raise ValueError(f"`{dimension}: {weight}` is outside 0..1; give a weight in it")
    kind: Kind = kinds[0]
    if section == "impact" and kind in {"code", "text", "measure"}:
        raise ValueError(f"impact is not read from `{kind}`; move the rule under `risk`")
    if doc.measure is not None:
        _check_measure(doc.measure)
    return Rule(
        id=doc.id,
        kind=kind,
        because=doc.because,
        raises=doc.raises,
        languages=frozenset(doc.languages),
        patterns=tuple(_patterns(doc, kind)),
        measure=doc.measure,
    )


def _check_measure(doc: MeasureDoc) -> None:
    if doc.name not in MEASURES:
        raise ValueError(f"no measure is called `{doc.name}`{nearest(doc.name, MEASURES)}")
    if (doc.over is None) == (doc.under is None):
        raise ValueError(f"measure `{doc.name}` has no bound or two; give `over` or `under`")


def _patterns(doc: RuleDoc, kind: Kind) -> Iterator[re2._Regexp[str]]:
    if kind in {"measure", "words"}:
        return
    entries: list[str] = getattr(doc, kind)
    for entry in entries:
        yield _expression(entry) if kind in {"code", "text"} else compile_term(Term(path_words(entry)))


def _expression(pattern: str) -> re2._Regexp[str]:
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        reason = str(error.args[0] if error.args else error)
        raise ValueError(f"`{pattern}` is not a linear-time pattern ({reason})") from None


def _lines(pattern: re2._Regexp[str], raw: bytes) -> Iterator[int]:
    position = 0
    for _ in range(_MAX_HITS):
        match = pattern.search(raw, position)
        if match is None:
            return
        first = match.start() + len(match[0]) - len(match[0].lstrip(b"\n"))
        yield raw.count(b"\n", 0, first) + 1
        position = max(match.end(), match.start() + 1)
