"""How long an answer is likely to get at most, from how long such answers were."""

from __future__ import annotations

from collections.abc import Sequence

FEWEST = 50
"""Fewer answers say too little about the longest of a hundred."""
SMALLEST = 256
_QUANTILE, _MARGIN = (99, 100), (5, 4)


def longest_likely(lengths: Sequence[int]) -> int | None:
    """Return a quarter more tokens than 99 of 100 answers took, at least 256; None below 50 answers.

    An answer cut at this length counts at that length, so a team whose answers grow is followed upwards.
    """
    if len(lengths) < FEWEST:
        return None
    rank = -(-len(lengths) * _QUANTILE[0] // _QUANTILE[1])
    return max(SMALLEST, sorted(lengths)[rank - 1] * _MARGIN[0] // _MARGIN[1])
