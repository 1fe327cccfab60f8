"""Fenced blocks of a Markdown text (CommonMark 0.31, section 4.5), read in one pass."""

from __future__ import annotations

import msgspec

MAX_BLOCKS = 256


class Fence(msgspec.Struct, frozen=True, kw_only=True):
    """One fenced block: its info string, its contents, and whether it was closed."""

    info: str
    body: str
    closed: bool

    @property
    def tag(self) -> str:
        """Return the language word of the info string in lower case, or nothing."""
        word = self.info.split(None, 1)[0] if self.info.split() else ""
        return word.strip("{}.").split(":", 1)[0].split(",", 1)[0].lower()

    @property
    def path(self) -> str | None:
        """Return the file name an info string carries (`python title=app.py`, `py:src/app.py`), if any."""
        for word in self.info.replace("=", " ").replace(":", " ").replace('"', " ").split()[:8]:
            if "." in word.strip(".") and not word.endswith("."):
                return word
        return None


class Fenced(msgspec.Struct, frozen=True, kw_only=True):
    """A text split into its fenced blocks and the lines between them."""

    blocks: tuple[Fence, ...]
    outside: str
    dropped: int = 0
    """Characters in blocks past the first 256."""


def read_fences(text: str) -> Fenced:
    """Return the blocks of `text` in order; the last one may be unclosed."""
    blocks: list[Fence] = []
    outside: list[str] = []
    body: list[str] = []
    mark = info = before = ""
    for line in text.split("\n"):
        run, rest = _fence(line)
        if run[:1] == "~" and not mark and before.strip():
            run = rest = ""  # the underline of a heading
        before = line
        if not mark:
            mark, info = run, rest
            outside.append("" if run else line)
        elif run.startswith(mark) and not rest:
            blocks.append(Fence(info=info, body="\n".join(body), closed=True))
            mark, body = "", []
        else:
            body.append(line)
    if mark:
        blocks.append(Fence(info=info, body="\n".join(body), closed=False))
    dropped = sum(len(block.body) for block in blocks[MAX_BLOCKS:])
    return Fenced(blocks=tuple(blocks[:MAX_BLOCKS]), outside="\n".join(outside), dropped=dropped)


def closes_nested(text: str) -> bool:
    """Tell whether every fence closes when a fence with a language word inside a block opens one of its own.

    Markdown shown inside a Markdown block is written this way more often than CommonMark allows.
    """
    depth = 0
    for line in text.split("\n"):
        run, rest = _fence(line)
        if run and (rest or not depth):
            depth += 1
        elif run:
            depth -= 1
    return depth == 0


def _fence(line: str) -> tuple[str, str]:
    """Return a fence line's run of marks and its info string, or two empty strings."""
    bare = line.lstrip(" \t>")
    if not bare.startswith(("```", "~~~")):
        return "", ""
    run = len(bare) - len(bare.lstrip(bare[0]))
    info = bare[run:].strip()
    if bare[0] == "`" and "`" in info:
        return "", ""
    return bare[0] * run, info
