"""Pasted material: fenced code, traces, logs, diffs, dumps and unfenced code, told from a person's words.

Lines are judged one by one with string methods; only a run of pasted-looking lines is taken out, so a
single error line that someone quotes in a sentence of its own stays in the ask.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import groupby

import msgspec

from policies.envelope.pasted_marks import (
    CODE_ENDS,
    CODE_STARTS,
    ERROR_ENDS,
    INDENTED_STARTS,
    LINE_STARTS,
    MIN_DELIMITERS,
    is_dense,
    may_hold_pasted,
)

MAX_FALLBACK_CHARS = 400
"""How much of a prompt that is nothing but pasted material stands in for the ask."""
REMEMBERED_CHARS = 4_096
"""Turns up to this size are remembered once sorted: an agent sends the same ones with every step."""
_REMEMBERED_TURNS = 512
_HEAD_LINES = 3_000
_TAIL_LINES = 1_000
_JUDGED_HEAD = 400
_JUDGED_TAIL = 200
"""Lines between these of a longer unfenced stretch are taken for pasted unseen."""
_HARD_LINES = 3
_MIXED_LINES = 4
_DUMP_CHARS = 200
_IMPORT_WORDS = 5
_MARKUP_SPACES = 6
_JSON_STARTS = (
    '{"',
    "{ ",
    "[{",
    '["',
    "[[",
    "[0",
    "[1",
    "[2",
    "[3",
    "[4",
    "[5",
    "[6",
    "[7",
    "[8",
    "[9",
    "[-",
)

_PROSE, _BLANK, _SOFT, _HARD, _WHOLE = range(5)
"""Not pasted; blank; pasted if its neighbours are; pasted-looking; pasted even when alone."""

_STAMP = re.compile(
    r"[\[(]?(?:\d{4}[-/]\d\d[-/]\d\d[T ,]|\d\d:\d\d:\d\d|"
    r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d\d:\d\d)"
)
_STAMP_FIRST = frozenset("0123456789[(JFMASOND")

_NONE: tuple[str, ...] = ()
_CODE_MARKS = frozenset("(){};=<\"'")
_DATA_FIRST = frozenset('<"{}[]()')
_BRACKETS = frozenset(("{", "}", "[", "]", "},", "],", "{}", "[]", "(", ")", "),", ");", "};"))
_DIFF_STARTS = (
    "+", "-", " ", "\\", "index ", "new file mode", "deleted file mode", "similarity index", "rename ",
    "old mode", "new mode", "Binary files ",
)  # fmt: skip
_INDENTS = frozenset(("", " ", "\t", "\r"))
_PROSE_LAST = frozenset(".?!:-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_BULLETS = frozenset("-*•")
_LISTS = frozenset("-*+•0123456789")


class _Split(msgspec.Struct):
    """The two halves while a text is being sorted."""

    words: list[str] = msgspec.field(default_factory=list)
    evidence: list[str] = msgspec.field(default_factory=list)
    plain: list[str] = msgspec.field(default_factory=list)

    def flush(self) -> None:
        """Sort the plain lines gathered since the last fence."""
        if self.plain:
            _sort_plain(self.plain, self)
            self.plain = []


def separate(text: str) -> tuple[str, tuple[str, ...]]:
    """Return a text's own words and the material pasted with it.

    Fenced blocks keep their fence lines, so that their language stays known. Where nothing but pasted
    material is there, the words are the first 400 characters of it.
    """
    return _separated(text) if len(text) <= REMEMBERED_CHARS else _separate(text)


def _separate(text: str) -> tuple[str, tuple[str, ...]]:
    lines = text.split("\n")
    if len(lines) <= _JUDGED_HEAD + _JUDGED_TAIL and not may_hold_pasted(text, lines):
        return text.strip(), ()
    if len(lines) > _HEAD_LINES + _TAIL_LINES:
        lines = lines[:_HEAD_LINES] + lines[-_TAIL_LINES:]
    split = _Split()
    if "```" not in text and "~~~" not in text:
        split.plain = lines
        lines = []
    fence = ""
    block: list[str] = []
    for line in lines:
        mark = _fence(line)
        if fence:
            block.append(line)
            if mark.startswith(fence) and not line.strip().strip(fence[0]):
                split.evidence.append("\n".join(block))
                fence, block = "", []
        elif mark:
            split.flush()
            fence, block = mark, [line]
        else:
            split.plain.append(line)
    split.flush()
    if block:
        split.evidence.append("\n".join(block))
    words = "\n".join(split.words).strip() if split.evidence else text.strip()
    if not split.evidence or any(map(str.isalnum, words)):
        return words, tuple(split.evidence)
    return text.strip()[:MAX_FALLBACK_CHARS].rstrip(), tuple(split.evidence)


_separated = lru_cache(_REMEMBERED_TURNS)(_separate)


def _fence(line: str) -> str:
    """Return the fence characters that a line opens or closes a block with, or nothing."""
    bare = line.lstrip()
    char = bare[:1]
    if not bare.startswith(("```", "~~~")):
        return ""
    run = len(bare) - len(bare.lstrip(char))
    return "" if char == "`" and "`" in bare[run:] else char * run


def _sort_plain(lines: list[str], split: _Split) -> None:
    middle = max(0, len(lines) - _JUDGED_HEAD - _JUDGED_TAIL)
    kinds = _kinds(lines[:_JUDGED_HEAD] if middle else lines)
    if middle:
        kinds += [_WHOLE] * middle + _kinds(lines[-_JUDGED_TAIL:])
    if max(kinds) < _HARD:
        split.words.extend(lines)
        return
    position = 0
    for prose, group in groupby(kinds, key=lambda kind: kind == _PROSE):
        run = list(group)
        part = lines[position : position + len(run)]
        position += len(run)
        if prose or not _is_paste(run):
            split.words.extend(part)
        else:
            split.evidence.append("\n".join(part).strip("\n"))
            split.words.append("")


def _is_paste(run: list[int]) -> bool:
    hard = run.count(_HARD)
    soft = run.count(_SOFT)
    return _WHOLE in run or hard >= _HARD_LINES or (hard > 0 and hard + soft >= _MIXED_LINES)


def _kinds(lines: list[str]) -> list[int]:
    kinds: list[int] = []
    in_diff = False
    for line in lines:
        kind = _kind(line) if line else _BLANK
        if kind == _HARD:
            in_diff = in_diff or line.startswith(("diff --git ", "@@ -"))
        elif in_diff and kind != _BLANK:
            in_diff = line.startswith(_DIFF_STARTS)
            kind = _HARD if in_diff else kind
        kinds.append(kind)
    return kinds


def _kind(line: str) -> int:
    """Judge one line outside fences; ordered so that prose is done with after few looks."""
    first = line[:1]
    if first in _INDENTS:
        return _indented_kind(line)
    if line[1:2] == " " and first in _BULLETS:
        return _PROSE
    if len(line) > _DUMP_CHARS and _is_dump(line):
        return _WHOLE
    if line.startswith(LINE_STARTS.get(first, _NONE)) or (first in _STAMP_FIRST and _STAMP.match(line)):
        return _HARD
    if line[-1] not in _PROSE_LAST and (line.rstrip().endswith(CODE_ENDS) or _is_data(line)):
        return _BLANK if line.isspace() else _HARD
    if line.startswith(CODE_STARTS.get(first, _NONE)):
        return _HARD if _is_import(line) or not _CODE_MARKS.isdisjoint(line) else _PROSE
    if ":" in line and line.split(None, 1)[0].endswith(ERROR_ENDS):
        return _HARD
    return _HARD if _is_table(line) else _PROSE


def _indented_kind(line: str) -> int:
    bare = line.strip()
    if not bare:
        return _BLANK
    if len(bare) > _DUMP_CHARS and _is_dump(bare):
        return _WHOLE
    first = bare[0]
    if bare.startswith(INDENTED_STARTS.get(first, _NONE)) or (first in _DATA_FIRST and _is_data(bare)):
        return _HARD
    if (bare[-1] not in _PROSE_LAST and bare.endswith(CODE_ENDS)) or _is_table(bare):
        return _HARD
    return _PROSE if first in _LISTS and bare[1:2] in {" ", ".", ")"} else _SOFT


def _is_import(line: str) -> bool:
    words = line.split(None, _IMPORT_WORDS)
    return len(words) <= _IMPORT_WORDS and (words[0] == "import" or words[2:3] == ["import"])


def _is_dump(line: str) -> bool:
    """Tell a JSON value or a dense blob (minified, base64) from a long line of prose."""
    if is_dense(line):
        return True
    return line.startswith(_JSON_STARTS) and line.rstrip()[-1:] in {"}", "]"}


def _is_data(line: str) -> bool:
    """Tell a line of JSON, or of markup with hardly any words in it."""
    bare = line.strip()
    if bare[:1] == "<":
        return bare[-1:] == ">" and (bare.startswith("<!--") or bare.count(" ") <= _MARKUP_SPACES)
    return bare in _BRACKETS or (bare[:1] == '"' and '":' in bare)


def _is_table(line: str) -> bool:
    """Tell a line of CSV or TSV."""
    if "," in line:
        return ", " not in line and line.count(",") >= MIN_DELIMITERS
    return "\t" in line and line.count("\t") > 1
