"""Needles never hide a match: what a pattern finds alone, it finds behind the sieve."""

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.escalation_triggers.lexicon import Term, term_pattern
from policies.escalation_triggers.needles import needles
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
        ("sql injection", {"injection"}),
        ("vulnerab*", {"vulnerab"}),
        ("/(add|drop)\\w* (a |the )?index/", {" index"}),
        ("/(leak|expos)\\w* secrets?/", {" secret"}),
        ("/\\bo\\(n[23]\\)/", {"o(n2)", "o(n3)"}),
        ("/cve-\\d{4}/", {"cve-"}),
        ("/(colou?r){2}/", {"color", "colour"}),
        ("/a|bcde/", set()),
        ("/(abc)?def*/", set()),
        ("/[[:alpha:]]secret/", set()),
        ("/\\x{41}secret/", set()),
        ("/(?P<name>secret)/", {"secret"}),
        ("/(?i)Secret/", {"secret"}),
        ("/x{,3}yes/", {"x{,3}yes"}),
        ("/\u00fcber mensch/", {"ber mensch"}),
        ("/\\d+/", set()),
    ],
)
def test_needles(term: str, expected: set[str]) -> None:
    """The most telling literals are chosen; what is not understood gives none."""
    assert needles(term_pattern(Term(term))) == expected


@given(
    st.lists(st.lists(st.sampled_from(PIECES), min_size=1, max_size=5), min_size=1, max_size=3),
    st.text(alphabet="abcdefgklmnpqrstuvxyz \u212a\u017f", max_size=40),
)
@settings(max_examples=400, deadline=None)
def test_no_match_is_hidden(branches: list[list[str]], text: str) -> None:
    """Whatever a pattern matches, the sieve lets through, however its letters are written."""
    pattern = f"(?i:{'|'.join(''.join(pieces) for pieces in branches)})"
    if re2.search(pattern, text) is not None:
        assert Sieve([pattern]).candidates(text) == [0]


def test_sieve_tells_apart() -> None:
    """Only patterns with a needle in the text are candidates, and those without any needle."""
    sieve = Sieve(["secret", "\\d+", "backfill"])

    assert sieve.candidates("a SECRET") == [0, 1]
    assert sieve.candidates("") == [1]
    assert Sieve([]).candidates("text") == []


def test_deep_nesting_is_not_read() -> None:
    """A pattern nested beyond reason is simply always run."""
    assert needles("(" * 500 + "secret" + ")" * 500) == frozenset()
