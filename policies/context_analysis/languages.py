"""Which language a piece of code is written in."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import re2

from policies.context_analysis.language_table import LANGUAGES, Language

_MIN_SCORE = 2
_SCORED_CHARS = 8_192
_BY_TAG = {tag: language for language in LANGUAGES for tag in language.tags}
_BY_SUFFIX = {suffix: language for language in LANGUAGES for suffix in language.suffixes}
_SHEBANGS = {
    "python": "python",
    "node": "javascript",
    "ruby": "ruby",
    "php": "php",
    "sh": "bash",
    "bash": "bash",
}
_PROSE = frozenset("text txt plain plaintext markdown md log output mermaid csv".split())


def is_prose(tag: str | None) -> bool:
    """Tell whether a fence's tag says that the block is no code."""
    return tag in _PROSE


def detect(text: str, *, path: str | None = None, tag: str | None = None) -> Language | None:
    """Return the language by fence tag, else by path, else by shebang, else by its look; None if unsure."""
    if tag and tag.lower() in _BY_TAG:
        return _BY_TAG[tag.lower()]
    if path and (language := _by_path(path)):
        return language
    if text.startswith("#!"):
        words = re.findall(r"[a-z]+", text[:200].split("\n", 1)[0].lower())
        named = [_SHEBANGS[word] for word in words if word in _SHEBANGS]
        if named:
            return _BY_TAG[named[-1]]
    return _by_look(text[:_SCORED_CHARS])


def _by_path(path: str) -> Language | None:
    name = path.rsplit("/", 1)[-1].lower()
    if name.startswith("dockerfile"):
        return _BY_TAG["dockerfile"]
    return _BY_SUFFIX.get(name.rpartition(".")[2]) if "." in name else None


def _by_look(text: str) -> Language | None:
    """Return the language most of whose hints are seen; None where few are, or unlike languages tie."""
    patterns, owners = _hints()
    seen = Counter(owners[index] for index in patterns.Match(text.encode("utf-8", "replace")) or ())
    most = max(seen.values(), default=0)
    best = [language for language in LANGUAGES if seen[language.name] == most]
    if most < _MIN_SCORE or len({language.style for language in best}) > 1:
        return None
    return best[0]


@cache
def _hints() -> tuple[re2.Set, tuple[str, ...]]:
    patterns = re2.Set.SearchSet()
    owners: list[str] = []
    for language in LANGUAGES:
        for hint in language.hints:
            patterns.Add(f"(?m){hint}")
            owners.append(language.name)
    patterns.Compile()
    return patterns, tuple(owners)
