"""What pasted lines look like, as tables, and one quick look whether a text may hold any.

The look is cautious: what it lets pass is judged line by line, what it stops has no such line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Final

import re2

from policies.linear_search import Find, finder

DENSE_CHARS: Final = 1_000
"""Lines longer than this may be minified or encoded."""
_WORD_CHARS: Final = 20
"""Words of prose are shorter than this on average."""
MIN_DELIMITERS: Final = 3


def _by_first(*starts: str) -> Mapping[str, tuple[str, ...]]:
    """Return the starts under their first character: hardly any line has to be compared with any."""
    firsts = dict.fromkeys(start[0] for start in starts)
    return {first: tuple(start for start in starts if start[0] == first) for first in firsts}


LINE_STARTS = _by_first(
    "Traceback (most recent call last)", "Caused by:", "Exception in thread ", "goroutine ", "panic: ",
    "npm ERR!", "npm error",
    "E   ", "diff --git ", "@@ -", "+++ ", "--- a/", "--- /dev/null", "Index: ", "> ", "$ ", ">>> ",
    "INFO", "WARN", "ERROR", "DEBUG", "TRACE", "FATAL",
    "[INFO", "[WARN", "[ERROR", "[DEBUG", "[TRACE", "[FATAL",
)  # fmt: skip
INDENTED_STARTS = _by_first(
    "at ", 'File "', "... ", "raise ", "return ", "self.", "this.", "if (", "for (", "from /"
)  # fmt: skip
CODE_STARTS = _by_first(
    "def ", "async def ", "class ", "func ", "fn ", "#include", "package ", "using ", "public ", "private ",
    "protected ", "static ", "const ", "let ", "var ", "function ", "import ", "from ", "export ", "@",
    "type ", "interface ", "struct ", "impl ", "SELECT ", "INSERT ", "UPDATE ", "CREATE ", "ALTER ",
)  # fmt: skip
CODE_ENDS = ("{", "};", "});", ");", "){", "},", ";", "})", "])", "/>", "(", "[")
ERROR_ENDS = ("Error:", "Exception:", "Warning:")


_SPACES = (
    r"[\t\x0b\f\r \x1c-\x1f\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]*"
)
"""What `str.strip` takes off, but for line ends; RE2's own class is ASCII."""
_STAMPS = r"\d(?:[^\n]{3}[-/]|[^\n]:)|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) "
_UNSPACED = r"(?:[^ ,\n][^,\n]*)?,"


def is_dense(line: str) -> bool:
    """Tell a minified or encoded line from a long one of prose."""
    return len(line) > DENSE_CHARS and line.count(" ") * _WORD_CHARS < len(line)


def _any_of(literals: Iterable[str]) -> str:
    return "|".join(map(re2.escape, literals))


def _pattern() -> str:
    """Return what stands in every text with pasted material: fences, or a mark in one of its lines."""
    starts = _any_of(chain.from_iterable((*LINE_STARTS.values(), *INDENTED_STARTS.values())))
    code = _any_of(chain.from_iterable(CODE_STARTS.values()))
    begins = rf'^(?:{_SPACES}(?:{starts}|["<{{}}\[\]()]|{_STAMPS})|{code})'
    ends = f"(?:{_any_of(CODE_ENDS)}){_SPACES}$"
    table = rf",{_UNSPACED}{_UNSPACED}|\t[^\t\n]*\t"
    return f"(?m){begins}|{ends}|{_any_of(ERROR_ENDS)}|{table}|```|~~~"


def _find_mark() -> Find:
    options = re2.Options()
    options.never_capture = True
    return finder(re2.compile(_pattern(), options))


_mark = _find_mark()


def may_hold_pasted(text: str, lines: Sequence[str]) -> bool:
    """Tell whether any of the `lines` of `text` can be pasted; most asks of people hold none."""
    long = [line for line in lines if len(line) > DENSE_CHARS]
    if any(map(is_dense, long)) or any(map(is_dense, map(str.strip, long))):
        return True
    return _mark(text.encode("utf-8", "replace"), 0)[0] >= 0
