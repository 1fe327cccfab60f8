from __future__ import annotations

import pytest

from policies.answer_length import longest_likely


@pytest.mark.parametrize(
    ("lengths", "longest"),
    [
        ([], None),
        ([900] * 49, None),
        ([900] * 50, 1125),
        ([10] * 50, 256),
        ([400] * 297 + [9000] * 3, 500),
        ([400] * 296 + [9000] * 4, 11250),
    ],
)
def test_longest_likely(lengths: list[int], longest: int | None) -> None:
    """A quarter above the 99th percentile, once enough is known; one answer of a hundred may be longer."""
    assert longest_likely(lengths) == longest
