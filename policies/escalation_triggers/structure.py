"""Structure signals: what the ask and the material pasted with it look like, counted without patterns."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import islice

from policies.escalation_triggers.lexicon import clip
from policies.facts import Features
from policies.verdicts import Signal, Span

SOURCE_SUFFIXES = frozenset(
    """py pyi js jsx mjs ts tsx go rs java kt scala rb php c h cc cpp hpp cs swift m sql sh bash ps1 tf yaml yml
    toml json xml html css scss vue svelte proto graphql gradle lua pl r jl ex exs erl hs ml clj dart""".split()
)
_STRIP = "\"'`()[]{}<>,;:!?*"
_MAX_WORDS = 6_000
_MAX_EVIDENCE = 8
_NAMES = (
    "ask_words",
    "files_named",
    "folders_named",
    "code_lines",
    "diff_files",
    "evidence_blocks",
    "questions",
)


class StructureSource:
    """Counts of words, files, folders, code lines, diff files, pasted blocks and questions."""

    prefix = "structure"

    def names(self) -> Collection[str]:
        """Return the names of all counts."""
        return tuple(f"structure.{name}" for name in _NAMES)

    def measure(self, features: Features) -> Mapping[str, Signal]:
        """Return every count; spans show the files the ask names."""
        text = clip(features.ask.text)
        words = text.split(None, _MAX_WORDS)[:_MAX_WORDS]
        files = dict.fromkeys(filter(is_source_path, (word.strip(_STRIP) for word in words)))
        folders = {path.rsplit("/", 1)[0] for path in files if "/" in path}
        evidence = [clip(block) for block in islice(features.ask.evidence, _MAX_EVIDENCE)]
        spans = tuple(_spans(features.ask.text, files))
        counts = {
            "ask_words": len(words),
            "folders_named": len(folders),
            "code_lines": sum(block.count("\n") + 1 for block in evidence),
            "diff_files": sum(block.count("\n+++ ") + block.startswith("+++ ") for block in evidence),
            "evidence_blocks": len(features.ask.evidence),
            "questions": text.count("?"),
        }
        signals = {f"structure.{name}": Signal(value=float(count)) for name, count in counts.items()}
        signals["structure.files_named"] = Signal(value=float(len(files)), spans=spans)
        return signals

    def locate(self, name: str, features: Features) -> tuple[Span, ...]:  # noqa: ARG002
        """Return nothing: `measure` already gives every span."""
        return ()


def is_source_path(word: str) -> bool:
    """Tell whether a word looks like the path or name of a source file."""
    stem, dot, suffix = word.rpartition(".")
    return bool(dot) and suffix.lower() in SOURCE_SUFFIXES and stem[-1:].isalnum() and "://" not in word


def _spans(text: str, files: Mapping[str, None]) -> Iterator[Span]:
    for path in islice(files, 8):
        start = text.find(path)
        if start >= 0:
            yield Span(start=start, end=start + len(path), label="file")
