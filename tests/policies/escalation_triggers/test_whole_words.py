"""A word is found where its pattern finds it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.escalation_triggers.lexicon import Term, compile_term
from policies.escalation_triggers.whole_words import word_finder
from policies.linear_search import finder

_PHRASES = ("ab", "ab*", "a", ".ab", "ab+", "+", "_b", "B2*")


@pytest.mark.parametrize("phrase", _PHRASES)
@given(text=st.text(alphabet="abB2_.+ \n", max_size=24), start=st.integers(0, 24))
def test_same_as_the_pattern(phrase: str, text: str, start: int) -> None:
    """Both stand at the same place, from any offset on."""
    raw, find = text.encode(), word_finder(phrase)
    assert find is not None
    start = min(start, len(raw))
    assert find(raw.lower(), start) == finder(compile_term(Term(phrase)))(raw, start)


@pytest.mark.parametrize("phrase", ["two words", "mid*dle", "*end", "sécurité", "a\tb"])
def test_no_single_word(phrase: str) -> None:
    """What is more than a word of ASCII keeps its pattern."""
    assert word_finder(phrase) is None
