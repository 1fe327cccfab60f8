"""The short way to a match gives the places that the wrapper gives."""

import re2
from hypothesis import given
from hypothesis import strategies as st

from policies.linear_search import finder

PATTERNS = ["a", "(?i)b+", "(a|b)c?", "\\bab\\b", "^a", "b$", "[^a]b"]


@given(pattern=st.sampled_from(PATTERNS), text=st.text(alphabet="abcB \u00e9", max_size=12), data=st.data())
def test_same_places(pattern: str, text: str, data: st.DataObject) -> None:
    """From any offset the first match stands where `search` sees it."""
    compiled, raw = re2.compile(pattern), text.encode()
    start = data.draw(st.integers(0, len(raw)))
    match = compiled.search(raw, start)

    assert finder(compiled)(raw, start) == (match.span() if match else (-1, -1))
