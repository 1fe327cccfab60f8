"""Comments and strings told from code, in one linear pass that no text can slow down.

Every alternative either ends at its own delimiter, at the line's end or at the text's end, and never gives
back what it took (possessive quantifiers), so the time is proportional to the length.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Literal

import msgspec

Style = Literal["c", "js", "python", "hash", "php", "rust", "go", "sql", "markup", "data"]

# Groups repeat greedily, each branch told by its first character, and what follows them matches anything:
# nothing is tried again. Possessive groups would say so, but Python before 3.11.5 misreads them.
_DOUBLE = r'"[^"\\\n]*+(?:\\(?s:.)[^"\\\n]*+)*(?P<d>"?)'
_SINGLE = r"'[^'\\\n]*+(?:\\(?s:.)[^'\\\n]*+)*(?P<s>'?)"
_DOUBLE_LONG = r'"[^"\\]*+(?:\\(?s:.)[^"\\]*+)*(?P<d>"?)'
_SINGLE_LONG = r"'[^'\\]*+(?:\\(?s:.)[^'\\]*+)*(?P<s>'?)"
_TEMPLATE = r"`[^`\\]*+(?:\\(?s:.)[^`\\]*+)*(?P<t>`?)"
_TRIPLE = (
    r'"""[^"\\]*+(?:(?:\\(?s:.)|"(?!""))[^"\\]*+)*(?P<td>(?:""")?)'
    r"|'''[^'\\]*+(?:(?:\\(?s:.)|'(?!''))[^'\\]*+)*(?P<ts>(?:''')?)"
)
_BLOCK = r"/\*[^*]*+(?:\*(?!/)[^*]*+)*(?:\*/|(?P<b>\Z))"
_SLASHES = rf"//[^\n]*+|{_BLOCK}"
_HASH = r"\#[^\n]*+"
_DASHES = rf"--[^\n]*+|{_BLOCK}"
_REGEX = r"/(?![*/])(?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.){0,80}\]){1,200}/[a-z]*+"
_CHARACTER = r"'(?:[^'\\\n]|\\[^\n]{1,10}?)'"

_PATTERNS: dict[Style, tuple[str, str]] = {
    "c": (_SLASHES, rf"{_TRIPLE}|{_DOUBLE}|{_SINGLE}"),
    "js": (_SLASHES, rf"{_DOUBLE}|{_SINGLE}|{_TEMPLATE}|(?<=[(,=:\[!&|?{{;])[ \t]*+{_REGEX}"),
    "python": (_HASH, rf"{_TRIPLE}|{_DOUBLE}|{_SINGLE}"),
    "hash": (rf"(?<![$\w]){_HASH}", rf"{_DOUBLE_LONG}|{_SINGLE_LONG}"),
    "php": (rf"{_SLASHES}|(?<![$\w])\#(?!\[)[^\n]*+", rf"{_DOUBLE_LONG}|{_SINGLE_LONG}"),
    "rust": (_SLASHES, rf"{_DOUBLE_LONG}|{_CHARACTER}"),
    "go": (_SLASHES, rf"{_DOUBLE}|{_CHARACTER}|`[^`]*+(?P<t>`?)"),
    "sql": (_DASHES, r"'[^']*+(?P<s>'?)" + r'|"[^"\n]*+(?P<d>"?)'),
    "markup": (r"<!--[^-]*+(?:-(?!->)[^-]*+)*(?:-->|(?P<b>\Z))", r'"[^"<>\n]*+(?P<d>"?)'),
    "data": (rf"(?<![$\w\"'/]){_HASH}", rf"{_DOUBLE}|{_SINGLE}"),
}


class Lexed(msgspec.Struct, frozen=True):
    """A text without comments (`code`), and without the contents of its strings either (`bare`).

    Both keep every line break, so line numbers stay true. `closed` tells whether each string and block
    comment ended.
    """

    code: str
    bare: str
    closed: bool


def lex(text: str, style: Style) -> Lexed:
    """Return `text` with comments and string contents blanked; total, in time linear in its length."""
    code: list[str] = []
    bare: list[str] = []
    closed, position = True, 0
    for match in _pattern(style).finditer(text):
        between = text[position : match.start()]
        position = match.end()
        breaks = "\n" * match[0].count("\n")
        comment = match["comment"] is not None
        code.append(between + (breaks or " ") if comment else between + match[0])
        bare.append(between + (breaks or " ") if comment else f'{between}"{breaks}"')
        closed = closed and _is_closed(match)
    rest = text[position:]
    return Lexed("".join(code) + rest, "".join(bare) + rest, closed)


def bracket_excess(bare: str) -> tuple[int, int, int]:
    """Return brackets opened minus closed over a text, the deepest nesting, and the lowest level reached."""
    level = deepest = lowest = 0
    for bracket in re.findall(r"[()\[\]{}]", bare):
        level += 1 if bracket in "([{" else -1
        deepest = max(deepest, level - lowest)
        lowest = min(lowest, level)
    return level, deepest, lowest


@cache
def _pattern(style: Style) -> re.Pattern[str]:
    comments, strings = _PATTERNS[style]
    return re.compile(f"(?P<comment>{comments})|(?P<string>{strings})")


def _is_closed(match: re.Match[str]) -> bool:
    groups = match.groupdict()
    if match["comment"] is not None:
        return groups.get("b") is None
    return not any(groups[name] == "" for name in ("d", "s", "t", "td", "ts") if name in groups)
