"""Does the code in the answer parse?

Only what is surely broken fails: snippets with gaps, prompts, placeholders or missing surroundings are the
everyday form of good answers.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

import msgspec

from policies.answer_checks.base import MAX_CHARS, AnswerView, CheckResult, failed, not_applicable, passed
from policies.context_analysis.fences import Fence, read_fences
from policies.context_analysis.languages import detect
from policies.context_analysis.lexing import Style, bracket_excess, lex
from policies.context_analysis.python_code import parse

_MAX_BLOCKS = 64
_MAX_BLOCK = 65_536
_MIN_BRACKET_LINES = 4
_PYTHON = frozenset(("python", "py", "python3"))
_JSON = frozenset(("json",))
_BRACKETED = frozenset("javascript typescript tsx java c cpp csharp go rust php kotlin scala swift".split())
_GAP = re.compile(r"\.\.\.|\u2026|<[A-Za-z][\w -]{0,40}>|\{\{|^\s*(?:>>>|\$ |In \[)|^[<>=|]{7}", re.MULTILINE)
_MAGIC = re.compile(r"^[ \t]*[%!].*$", re.MULTILINE)
_COMMENT_LINE = re.compile(r"^([ \t]*)#.*$", re.MULTILINE)


class CodeParsesCheck:
    """Fenced Python parses, fenced JSON decodes, and other languages close their brackets."""

    name = "code_parses"

    def judge(self, view: AnswerView) -> CheckResult:
        """Return the verdict on the first broken block; untagged blocks and prose are not judged."""
        if "```" not in view.text[:MAX_CHARS] and "~~~" not in view.text[:MAX_CHARS]:
            return not_applicable(self.name, "there is no code block")
        verdicts = []
        for number, block in enumerate(read_fences(view.text[:MAX_CHARS]).blocks[:_MAX_BLOCKS], 1):
            parses = _parses(block)
            if parses is False:
                return failed(self.name, f"code block {number} does not parse")
            verdicts.append(parses)
        if any(verdicts):
            return passed(self.name, f"{verdicts.count(True)} of {len(verdicts)} code blocks parse")
        return not_applicable(self.name, "no code block can be judged")


def _parses(block: Fence) -> bool | None:
    body = block.body
    if not block.tag or not block.closed or not body.strip() or len(body) > _MAX_BLOCK or "\0" in body:
        return None
    if block.tag in _PYTHON:
        return _python_parses(body)
    if block.tag in _JSON:
        return _json_parses(body)
    language = detect(body, tag=block.tag)
    if language is None or language.name not in _BRACKETED:
        return None
    return _brackets_close(body, language.style)


def _python_parses(body: str) -> bool | None:
    if any(parse(candidate) is not None for candidate in _readings(_MAGIC.sub("", body))):
        return True
    return None if _GAP.search(body) or "\n" not in body.strip() else False


def _readings(body: str) -> Iterator[str]:
    """Yield the code as it stands, then as the fragment of something larger that it may be."""
    yield body
    plain = textwrap.dedent(body).strip("\n")
    yield _surrounded(plain)
    yield _COMMENT_LINE.sub(r"\1pass", plain)
    first, last = plain.lstrip().split(None, 1)[0].rstrip(":"), plain.rstrip()
    if first in {"elif", "else"}:
        yield f"if 1:\n pass\n{plain}"
    if first in {"except", "finally", "else"}:
        yield f"try:\n pass\n{plain}" if first != "else" else f"for _ in x:\n pass\n{plain}"
    if first == "case":
        yield "match x:\n" + textwrap.indent(plain, " ")
    if last.endswith(":"):
        deepest = last.rsplit("\n", 1)[-1]
        yield f"{last}\n{deepest[: len(deepest) - len(deepest.lstrip())]} pass"
    if last.rsplit("\n", 1)[-1].startswith("@"):
        yield f"{last}\ndef f(): pass"
    if first == "try":
        yield f"{last}\nfinally:\n pass"
    if last.endswith(","):
        yield f"[\n{last}\n]"
        yield f"f(\n{last}\n)"
        yield "{\n" + last + "\n}"


def _surrounded(plain: str) -> str:
    """Return an excerpt that begins deeper than it goes on, inside the blocks that it must have left."""
    levels: list[int] = []
    for line in plain.split("\n"):
        indent = len(line) - len(line.lstrip())
        if line.strip() and (not levels or indent < levels[-1]):
            levels.append(indent)
    return "".join(f"{' ' * level}if 1:\n" for level in levels[:0:-1]) + plain


def _json_parses(body: str) -> bool | None:
    lines = [line for line in body.split("\n") if line.strip()]
    if _decodes(body) or _decodes("{" + body.strip().rstrip(",") + "}") or all(map(_decodes, lines)):
        return True
    is_written_out = len(lines) > 1 and lines[0].lstrip()[0] in "{["
    return (
        False if is_written_out and not _GAP.search(body) and "//" not in body and "/*" not in body else None
    )


def _decodes(text: str) -> bool:
    try:
        msgspec.json.decode(text.encode("utf-8", "surrogatepass"))
    except (msgspec.DecodeError, UnicodeError):
        return False
    except RecursionError:
        return True
    return True


def _brackets_close(body: str, style: Style) -> bool | None:
    """Judge by brackets, read with strings and without: only if both ways are off is something missing."""
    lexed = lex(body, style)
    level, _, lowest = bracket_excess(lexed.bare)
    raw_level, _, raw_lowest = bracket_excess(body)
    if (level == 0 and lowest == 0) or (raw_level == 0 and raw_lowest == 0):
        return True
    is_short = body.count("\n") + 1 < _MIN_BRACKET_LINES
    if is_short or not lexed.closed or lowest < 0 or _GAP.search(body) or not _ends_inside(body):
        return None
    return False


def _ends_inside(body: str) -> bool:
    """Tell whether the code stops in the middle of a statement, which no excerpt is cut to do."""
    return body.rstrip()[-1] in ",(=+&|.<["
