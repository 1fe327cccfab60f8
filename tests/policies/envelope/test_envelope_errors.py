"""Error lines of tool results are found and compared without what changes from run to run."""

from __future__ import annotations

import pytest

from policies.envelope import Envelopes


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("TypeError: x is 3", "TypeError: x is 4"),
        ("/home/a/x.c:3: error: no such thing", "/srv/b/x.c:44: error: no such thing"),
        ("error: commit 0xdeadbeef01 is bad", "error: commit 0x00cafebabe is bad"),
        ("fatal: C:\\a\\b.txt is missing", "fatal: D:\\c\\b.txt is missing"),
        ("out\n" * 900 + "npm ERR! code 1", "npm ERR! code 2"),
    ],
)
def test_same_error_is_same(envelopes: Envelopes, one: str, other: str) -> None:
    """Numbers, folders and addresses do not make another error of it."""
    assert envelopes.errors.find(one) == envelopes.errors.find(other) != frozenset()


@pytest.mark.parametrize(
    "text",
    ["", "12 passed", "0 failed, no errors", "def handle_error(error):", "x" * 5_000, "the failure mode"],
)
def test_success_holds_no_error(envelopes: Envelopes, text: str) -> None:
    """Results that only mention errors are no failures."""
    assert envelopes.errors.find(text) == frozenset()
