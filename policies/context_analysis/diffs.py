"""Unified diffs, read leniently: which files, how many lines, and the code on the new side.

Nothing is applied and no path is opened. Limits: 1 MiB, 500 files, 5,000 hunks; what lies beyond is not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

MAX_FILES = 500
MAX_HUNKS = 5_000
MAX_CHARS = 1_048_576
_MAX_PATH = 300
_HUNK = re.compile(r"@@ -\d{1,9}(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@ ?(.{0,200})")
_HEADERS = ("diff --git ", "--- ", "+++ ", "Index: ", "rename from ", "rename to ", "Binary files ")


class FileDiff(msgspec.Struct):
    """One file of a diff; the lists run in step with the hunks."""

    path: str | None = None
    """The new name, or the old one of a deleted file; None where it is missing or points outside its tree."""
    added: int = 0
    removed: int = 0
    hunks: int = 0
    headings: list[str] = msgspec.field(default_factory=list)
    lines: list[str] = msgspec.field(default_factory=list)
    """The new side: kept and added lines."""
    numbers: list[int] = msgspec.field(default_factory=list)
    """The number of each of `lines` in the new file."""
    fresh: list[bool] = msgspec.field(default_factory=list)
    """Whether each of `lines` was added."""
    starts: list[int] = msgspec.field(default_factory=list)
    """Where in `lines` each hunk begins."""


def looks_like_diff(text: str) -> bool:
    """Tell whether a text holds at least one hunk or git header at the start of a line."""
    return any(
        (line.startswith("@@ -") and _HUNK.match(line)) or line.startswith("diff --git ")
        for line in text.split("\n", 20_000)[:20_000]
    )


def read_diff(text: str) -> tuple[tuple[FileDiff, ...], int]:
    """Return the files a diff touches, in order, and how many characters lie past the limits; total.

    Lines that belong to no diff are passed over.
    """
    reader = _Reader()
    read = 0
    for line in text[:MAX_CHARS].split("\n"):
        if not reader.feed(line):
            break
        read += len(line) + 1
    return tuple(reader.files), max(0, len(text) - read)


def safe_path(path: str) -> str | None:
    """Return a path as it may be shown and matched, or None where it leaves its tree or is no path."""
    plain = path.replace("\\", "/")
    if not plain or len(plain) > _MAX_PATH or plain.startswith(("/", "~")) or ":" in plain[:3]:
        return None
    if ".." in plain.split("/") or not plain.isprintable():
        return None
    return plain.removeprefix("./")


class _Reader:
    """Feeds lines to the file at hand; a hunk's own counts say where it ends."""

    def __init__(self) -> None:
        self.files: list[FileDiff] = []
        self._hunks = 0
        self._old = self._new = 0
        self._number = 0
        self._old_path: str | None = None
        self._named = False

    def feed(self, line: str) -> bool:
        """Take one line; False once there are more files or hunks than are read."""
        if (self._old > 0 or self._new > 0) and self._body(line):
            return True
        self._old = self._new = 0
        hunk = _HUNK.match(line) if line.startswith("@@ -") else None
        if hunk:
            self._open_hunk(hunk)
        elif line.startswith(_HEADERS):
            self._header(line)
        if self._hunks > MAX_HUNKS or len(self.files) > MAX_FILES:
            del self.files[MAX_FILES:]
            return False
        return True

    def _header(self, line: str) -> None:
        kind, _, rest = line.partition(" ")
        if kind == "diff":
            self._start(_git_path(rest))
        elif kind == "---":
            self._old_path = _clean(rest)
            if self.files and self.files[-1].hunks == 0 and self._named:
                return
            self._start(self._old_path)
        elif kind == "+++" and self.files:
            self.files[-1].path = _clean(rest) if "/dev/null" not in rest else self._old_path

    def _start(self, path: str | None) -> None:
        self.files.append(FileDiff(path))
        self._named = True

    def _open_hunk(self, hunk: re.Match[str]) -> None:
        if not self.files:
            self._start(None)
        self._named = False
        self._hunks += 1
        self._old, self._new = int(hunk[1] or 1), int(hunk[3] or 1)
        self._number = int(hunk[2])
        file = self.files[-1]
        file.hunks += 1
        file.starts.append(len(file.lines))
        heading = hunk[4].strip()
        if heading and heading not in file.headings and heading.isprintable():
            file.headings.append(heading)

    def _body(self, line: str) -> bool:
        """Take one line of the open hunk; False where the line cannot belong to it."""
        mark = line[:1] or " "
        if mark not in "+- \\" or (mark == "+" and self._new <= 0) or (mark == "-" and self._old <= 0):
            return False
        if mark == "\\":
            return True
        file = self.files[-1]
        file.added += mark == "+"
        file.removed += mark == "-"
        self._old -= mark != "+"
        self._new -= mark != "-"
        if mark != "-":
            file.lines.append(line[1:])
            file.numbers.append(self._number)
            file.fresh.append(mark == "+")
            self._number += 1
        return True


def touched(file: FileDiff) -> Iterator[str]:
    """Yield the names of functions and classes that hunk headings carry."""
    for heading in file.headings:
        name = re.search(
            r"\b(?:def|class|function|func|fn|fun|struct|impl|interface|trait|module)\s+(?:\([^)]{0,80}\)\s*)?([\w.$]{1,80})",
            heading,
        ) or re.search(r"([\w$~]{1,80})\s*\(", heading)
        if name:
            yield name[1]


def _git_path(rest: str) -> str | None:
    """Return the new name of a `diff --git a/x b/x` line."""
    return safe_path(rest.rpartition(" b/")[2].strip('"')) if " b/" in rest else None


def _clean(name: str) -> str | None:
    plain = name.split("\t", 1)[0].strip().strip('"')
    if plain == "/dev/null":
        return None
    return safe_path(plain[2:] if plain[:2] in {"a/", "b/"} else plain)
