"""Structure signals: what the ask and the material pasted with it look like, counted without patterns.

Words are counted, and those that may name a file found, in sketches of the text that have one byte for each
of its characters: cutting it into words costs several times as much.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice

from policies.escalation_triggers.base import FEW, MANY
from policies.escalation_triggers.excerpt import Excerpt
from policies.escalation_triggers.recall import remembering
from policies.facts import Features
from policies.verdicts import Signal, Span

SOURCE_SUFFIXES = frozenset(
    """py pyi js jsx mjs ts tsx go rs java kt scala rb php c h cc cpp hpp cs swift m sql sh bash ps1 tf
    yaml yml toml json xml html css scss vue svelte proto graphql gradle lua pl r jl ex exs erl hs ml clj
    dart""".split()
)
PRODUCTS = frozenset(
    "node.js next.js nuxt.js vue.js react.js express.js three.js d3.js nest.js ember.js backbone.js".split()
)
"""Names that end like files and are none."""
_LONGEST_PRODUCT = max(map(len, PRODUCTS))
_OPENING = "\"'`()[]{}<>,;:!?*@"
_CLOSING = "\"'`()[]{}<>,;:!?*."
_NO_STEM = "./\\"
_WIDE_SPACES = re.compile("[\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
_SPACES = frozenset(b"\t\n\v\f\r\x1c\x1d\x1e\x1f ")
_LETTERS = frozenset(b"?abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
"""What is not ASCII reads as `?`, and may be a letter."""
_WORDS = bytes(b" x"[byte not in _SPACES] for byte in range(256))
_STOPS = bytes(
    b" "[0] if byte in _SPACES else b"."[0] if byte == b"."[0] else b"xa"[byte in _LETTERS]
    for byte in range(256)
)
_MAX_WORDS = 6_000
_MAX_EVIDENCE = 8
_MAX_SPANS = 8
_NAMES = (
    "structure.ask_words",
    "structure.files_named",
    "structure.folders_named",
    "structure.code_lines",
    "structure.diff_files",
    "structure.evidence_blocks",
    "structure.questions",
)
_NOTHING = dict.fromkeys(_NAMES, Signal(value=0.0))


class StructureSource:
    """Counts of words, files, folders, code lines, diff files, pasted blocks and questions."""

    prefix = "structure"
    of_ask = True

    def __init__(self) -> None:
        self._of_text = remembering(_measure_text)

    def names(self) -> Collection[str]:
        """Return the names of all counts."""
        return _NAMES

    def measure(self, features: Features) -> Mapping[str, Signal]:
        """Return every count; spans show the files the ask names."""
        evidence = features.ask.evidence
        told = self._of_text(features.ask.text)
        return {**told, **_measure_evidence(evidence)} if evidence else told

    def locate(self, name: str, features: Features) -> tuple[Span, ...]:  # noqa: ARG002
        """Return nothing: `measure` already gives every span."""
        return ()


def _measure_text(text: str) -> Mapping[str, Signal]:
    """Return the counts of the ask's own text, and zero for those of what was pasted."""
    excerpt = Excerpt.of(text)
    read = excerpt.text if excerpt.text.isascii() else _WIDE_SPACES.sub(" ", excerpt.text)
    words = read.encode("ascii", "replace").translate(_WORDS)
    word_count = words.count(b" x") + words.startswith(b"x")
    if word_count > _MAX_WORDS:
        word_count, rest = _MAX_WORDS, read.split(None, _MAX_WORDS)[_MAX_WORDS]
        read = read[: -len(rest)]
    signals = dict(_NOTHING)
    signals["structure.ask_words"] = Signal(value=float(word_count))
    signals["structure.questions"] = _counted(excerpt.text.count("?"))
    dotted = _dotted(read)
    if dotted:
        files = dict.fromkeys(filter(None, map(source_path, dotted)))
        folders = {path.rpartition("/")[0] for path in files if "/" in path}
        signals["structure.files_named"] = Signal(value=float(len(files)), spans=_spans(excerpt, files))
        signals["structure.folders_named"] = _counted(len(folders))
    return signals


def _dotted(text: str) -> Collection[str]:
    """Return the words that hold a stop before a letter, each once."""
    sketch = text.encode("ascii", "replace").translate(_STOPS)
    words: dict[str, None] = {}
    at = sketch.find(b".a")
    while at >= 0:
        start, end = sketch.rfind(b" ", 0, at) + 1, sketch.find(b" ", at)
        if end < 0:
            words[text[start:]] = None
            break
        words[text[start:end]] = None
        at = sketch.find(b".a", end)
    return words


def _measure_evidence(evidence: Sequence[str]) -> dict[str, Signal]:
    blocks = [Excerpt.of(block).text for block in islice(evidence, _MAX_EVIDENCE)]
    counts = {
        "structure.code_lines": sum(block.count("\n") + 1 for block in blocks),
        "structure.diff_files": sum(block.count("\n+++ ") + block.startswith("+++ ") for block in blocks),
        "structure.evidence_blocks": len(evidence),
    }
    return {name: Signal(value=float(count)) for name, count in counts.items()}


def source_path(word: str) -> str | None:
    """Return the source file a word names, freed of punctuation and line number; None for other words."""
    stem, dot, suffix = word.lstrip(_OPENING).rstrip(_CLOSING).rpartition(".")
    suffix = suffix.partition(":")[0]
    if suffix.lower() not in SOURCE_SUFFIXES or stem[-1:] in _NO_STEM or "://" in stem:
        return None
    path = stem + dot + suffix
    is_abbreviation = len(path) == len("a.m")
    return None if is_abbreviation or (len(path) <= _LONGEST_PRODUCT and path.lower() in PRODUCTS) else path


def _counted(count: int) -> Signal:
    return FEW[count] if count < MANY else Signal(value=float(count))


def _spans(excerpt: Excerpt, files: Iterable[str]) -> tuple[Span, ...]:
    """Return where the first files first stand."""
    spans, find = [], excerpt.text.find
    for path in islice(files, _MAX_SPANS):
        start = find(path)
        place = excerpt.original(start, start + len(path))
        if place is not None:
            spans.append(Span(start=place[0], end=place[1], label="file"))
    return tuple(spans)
