"""Needles never hide a match: what a pattern finds alone, it finds behind the sieve."""

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.escalation_triggers.lexicon import Term, term_pattern
from policies.escalation_triggers.needles import Needles, needles
from policies.escalation_triggers.sieve import Sieve

PIECES = [
    "ab",
    "cde",
    "f g",
    "x?",
    "y*",
    "z+",
    "(p|qr)",
    "(st|uv)?",
    "[mn]",
    "[^k]",
    ".",
    "\\w*",
    "k{2}",
    "l{0,2}",
]


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("sql injection", [{"injection"}, {"sql"}]),
        ("vulnerab*", [{"vulnerab"}]),
        ("/(add|drop)\\w* (a |the )?index/", [{" index"}, {"add", "drop"}]),
        ("/(leak|expos)\\w* secrets?/", [{" secret"}, {"leak", "expos"}]),
        ("/(leak|expos)\\w* (\\w+ ){0,3}(on|to) disk/", [{"on disk", "to disk"}, {"leak", "expos"}]),
        ("/abcd.*efghi.*jklmno.*pqrstuv/", [{"pqrstuv"}, {"jklmno"}, {"efghi"}]),
        ("/\\bo\\(n[23]\\)/", [{"o(n2)", "o(n3)"}]),
        ("/cve-\\d{4}/", [{"cve-"}]),
        ("/(colou?r){2}/", [{"color", "colour"}]),
        ("/a|bcde/", []),
        ("/(abc)?def*/", []),
        ("/[[:alpha:]]secret/", []),
        ("/\\x{41}secret/", []),
        ("/(?P<name>secret)/", [{"secret"}]),
        ("/(?i)Secret/", [{"secret"}]),
        ("/x{,3}yes/", [{"x{,3}yes"}]),
        ("/\u00fcber mensch/", [{"ber mensch"}]),
        ("/\\d+/", []),
    ],
)
def test_needles(term: str, expected: list[set[str]]) -> None:
    """The most telling groups of literals are chosen; what is not understood gives none."""
    assert list(needles(term_pattern(Term(term))).groups) == expected


@pytest.mark.parametrize(
    ("term", "is_finite"),
    [
        ("/rce|colou?r/", True),
        ("/\\brce\\b/", True),
        ("/rce\\w*/", False),
        ("/r.e/", False),
        ("/[[:alpha:]]/", False),
    ],
)
def test_finite(term: str, is_finite: bool) -> None:  # noqa: FBT001
    """A pattern of a few texts is told from one with a loop, and from what is not understood."""
    assert needles(term_pattern(Term(term))).is_finite is is_finite


@given(
    st.lists(st.lists(st.sampled_from(PIECES), min_size=1, max_size=5), min_size=1, max_size=3),
    st.text(alphabet="abcdefgklmnpqrstuvxyz \u212a\u017f", max_size=40),
)
@settings(max_examples=400, deadline=None)
def test_no_match_is_hidden(branches: list[list[str]], text: str) -> None:
    """Whatever a pattern matches, the sieve lets through, however its letters are written."""
    pattern = f"(?i:{'|'.join(''.join(pieces) for pieces in branches)})"
    if re2.search(pattern, text) is not None:
        assert Sieve([pattern]).candidates(text.encode()) == [0]


def test_sieve_tells_apart() -> None:
    """Candidates are patterns with all their needles in the text, those without any, and phrases that match."""
    sieve = Sieve(["(?i)secret", "\\d+", "(?i)leak\\w* (\\w+ )?keys?", "(?i)\\bkey[\\s_]+\\w*\\b"], {3})

    assert sieve.candidates(b"a SECRET") == [0, 1]
    assert sieve.candidates(b"a leak of monk business") == [1]
    assert sieve.candidates(b"leaky keystore, a Key  ring") == [1, 2, 3]
    assert sieve.candidates(b"") == [1]
    assert Sieve([]).candidates(b"text") == []


def test_deep_nesting_is_not_read() -> None:
    """A pattern nested beyond reason is simply always run."""
    assert needles("(" * 500 + "secret" + ")" * 500) == Needles()
