"""Pasted material leaves the ask; a person's own words stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.envelope.pasted import MAX_FALLBACK_CHARS, separate
from policies.envelope.pasted_marks import (
    CODE_ENDS,
    CODE_STARTS,
    ERROR_ENDS,
    INDENTED_STARTS,
    LINE_STARTS,
    may_hold_pasted,
)

_OWN = (
    "Fix the flaky test in test_auth.py",
    "It says ValueError: bad token. Why?",
    "ValueError: bad token\nwhat does that mean?",
    "1. add a column\n2. backfill it\n3. drop the old one",
    "- fast\n- safe\n- small\n  - really small",
    "Rename foo(); to bar();",
    "let me know (soon)\nfrom here on, it is yours\nclass dismissed",
    "Dear team,\n\nplease compare Postgres, MySQL, and SQLite, then choose.\n\nThanks,\nAda",
    "> quoted once\nmy answer",
    "* first, this;\n* then, that;\n* at last, those;",
    "<p>This is prose that came out of a web editor with tags</p>\n" * 3 + "<p>really, it is</p>",
    "{html}" + "a long text that somebody exported from a tracker " * 8 + "{html}",
    "Use `x`, then ```y``` inline",
    "???",
)
_PASTED = (
    "```\nx\n```",
    "~~~~sql\nSELECT 1\n```\n~~~~",
    "Traceback (most recent call last):\n  File \"a.py\", line 1\n    x\nKeyError: 'y'",
    "Exception in thread main\n    at a.B.c(B.java:1)\n    at a.B.d(B.java:2)\n    at a.B.e(B.java:3)",
    "[2026-01-05 10:00:00] boot\n[2026-01-05 10:00:01] run\n[2026-01-05 10:00:02] halt",
    "10:00:01 a\n10:00:02 b\n10:00:03 c",
    "id,name,age,town\n1,Ann,30,Ulm\n2,Bob,31,Bonn",
    "a\tb\tc\n1\t2\t3\n4\t5\t6",
    "def f(x):\n    y = x + 1\n    z = y\n    return z",
    "for (int i = 0; i < n; i++) {\n  sum += i;\n}",
    "<ul>\n<li>a</li>\n</ul>",
    "from a.b import c\nimport d\nfrom e import f, g",
    "> first line of a mail\n> second line\n> third line",
    '{"a": [' + '{"b": 1},' * 40 + "1]}",
    "QUJD" * 400,
)


@pytest.mark.parametrize("text", _OWN)
def test_own_words_stay(text: str) -> None:
    """Prose, lists, a quoted error and inline code are the ask."""
    assert separate(text) == (text, ())


@pytest.mark.parametrize("text", _PASTED)
def test_paste_becomes_evidence(text: str) -> None:
    """Between two sentences, every kind of paste is taken out whole."""
    words, evidence = separate(f"Look at this please\n\n{text}\n\nWhat is wrong?")
    assert words.split() == "Look at this please What is wrong?".split()
    assert "\n".join(evidence).endswith(text.rsplit("\n", maxsplit=1)[-1])


_MARKS = sorted(
    {
        *(
            start
            for starts in (LINE_STARTS, INDENTED_STARTS, CODE_STARTS)
            for s in starts.values()
            for start in s
        ),
        *(
            *CODE_ENDS,
            *ERROR_ENDS,
            ",",
            "\t",
            "\r",
            "\u2003",
            "\x0b",
            "é",
            "x",
            "- ",
            "2",
            "10:00:0",
            "import",
        ),
    }
)


@given(st.lists(st.lists(st.sampled_from(_MARKS), max_size=5).map("".join), min_size=1, max_size=3))
def test_nothing_pasted_without_a_mark(lines: list[str]) -> None:
    """Judged line by line, as for the fence's sake, a text that the quick look stops holds nothing pasted."""
    text = "\n".join(line for line in lines for _ in range(3))
    fence = "```\n```"
    _, pasted = separate(f"words\n\n{text}\n{fence}")
    assert may_hold_pasted(text, text.split("\n")) or pasted == (fence,)


@pytest.mark.parametrize("text", ["```\n" + "x = 1\n" * 500 + "```", "QUJD" * 400])
def test_paste_alone_stands_for_itself(text: str) -> None:
    """Where there are no words, the beginning of the paste is the ask."""
    words, evidence = separate(text)
    assert words == text[:MAX_FALLBACK_CHARS].rstrip()
    assert evidence == (text,)


def test_unclosed_fence_runs_on() -> None:
    """A fence that never closes holds all that follows."""
    assert separate("Why?\n```py\nx = 1\ny = 2") == ("Why?", ("```py\nx = 1\ny = 2",))
