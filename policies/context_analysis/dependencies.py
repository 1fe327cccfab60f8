"""What a file imports, and which of the given files that means."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from policies.context_analysis.language_table import Language

MAX_DEPENDENCIES = 500
_MAX_NAME = 200
_SEPARATORS = re.compile(r"::|[.\\/]+")


def find_imports(code: str, language: Language) -> tuple[str, ...] | None:
    """Return the modules that comment-free code imports; None where the language has no known form."""
    if not language.imports:
        return None
    found = sorted((m.start(), m[1]) for pattern in language.imports for m in pattern.finditer(code))
    names = (name.rstrip(":.").removesuffix(".*") for _, name in found)
    return tuple(dict.fromkeys(name for name in names if 0 < len(name) <= _MAX_NAME))[:MAX_DEPENDENCIES]


class Neighbours:
    """The given files and their folders by the tail of their path, to match imports with."""

    def __init__(self, paths: Sequence[str | None]) -> None:
        self._paths = paths
        self._by_tail: dict[str, list[int]] = {}
        for index, path in enumerate(paths):
            if path:
                stem = _stem(path)
                for tail in _ends(stem):
                    self._by_tail.setdefault(tail, []).append(index)
                for tail in _ends(stem.rpartition("/")[0]):
                    self._by_tail.setdefault(tail, [])

    def among(self, dependency: str, importer: int) -> list[int] | None:
        """Return which other given files a dependency names, none for a folder of them; None if outside."""
        for tail in _tails(dependency, self._paths[importer]):
            if tail in self._by_tail:
                return [index for index in self._by_tail[tail] if index != importer][:1]
        return None


def couple(
    found: Mapping[int, Sequence[str]], paths: Sequence[str | None]
) -> tuple[dict[int, int], dict[int, int]]:
    """Return efferent and afferent coupling by file index, for the files whose imports are known."""
    neighbours = Neighbours(paths)
    efferent: dict[int, int] = {}
    importers: dict[int, set[int]] = {}
    for index, names in found.items():
        targets = [neighbours.among(name, index) for name in names]
        efferent[index] = targets.count(None)
        for target in chain.from_iterable(filter(None, targets)):
            importers.setdefault(target, set()).add(index)
    return efferent, {index: len(who) for index, who in importers.items()}


def _ends(stem: str) -> Iterator[str]:
    """Yield the last one to six parts of a path, joined."""
    parts = stem.split("/")
    for start in range(max(0, len(parts) - 6), len(parts)):
        yield "/".join(parts[start:])


def _stem(path: str) -> str:
    folder, _, name = path.rpartition("/")
    stem = name.rsplit(".", 1)[0] if "." in name[1:] else name
    if stem in {"__init__", "index", "mod"} and folder:
        return folder
    return f"{folder}/{stem}" if folder else stem


def _tails(dependency: str, importer: str | None) -> Iterator[str]:
    """Yield the path tails a dependency may stand for, the surest first."""
    if dependency.startswith("."):
        yield from _relative(dependency, importer or "")
        return
    is_path = "/" in dependency or dependency.endswith((".h", ".hpp", ".hh"))
    plain = _stem(dependency) if is_path else _SEPARATORS.sub("/", dependency)
    yield plain.removeprefix("crate/").removeprefix("@/")


def _relative(dependency: str, importer: str) -> Iterator[str]:
    folder = importer.split("/")[:-1]
    if "/" in dependency:
        for part in dependency.split("/"):
            folder = folder[:-1] if part == ".." else folder if part == "." else [*folder, part]
        yield _stem("/".join(folder))
        yield "/".join(folder)
        return
    name = dependency.lstrip(".")
    up = len(dependency) - len(name) - 1
    base = folder[: len(folder) - up] if up else folder
    yield "/".join([*base, *name.split(".")] if name else base)
