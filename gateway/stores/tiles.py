"""Which sums kept by day, hour and quarter make up a span of time exactly, and what is left (pure)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import TypeAlias

import msgspec

from gateway.errors import InvalidRequest

QUARTER_MS, HOUR_MS, DAY_MS = 900_000, 3_600_000, 86_400_000
GRAINS_MS = (DAY_MS, HOUR_MS, QUARTER_MS)
"""Coarsest first. Quarters, because some time zones are off by 15 minutes."""

Span: TypeAlias = tuple[int, int]
"""Unix ms, the end excluded."""


class Sealing(msgspec.Struct, frozen=True, kw_only=True):
    """How far the rollups can be trusted."""

    unsealed: Mapping[int, Sequence[int]]
    """By grain (ms), the starts in order of tiles whose rollups lack some requests."""
    pruned_ms: int = 0
    """Before this, the requests in the rollups are gone from the ledger; those in it are latecomers."""


class Tiling(msgspec.Struct, frozen=True, kw_only=True):
    """Spans to be summed, by where their sums come from; together each instant's requests count once."""

    sealed: Mapping[int, list[Span]]
    """From rollups, by grain."""
    raw: list[Span]
    """From the requests themselves."""


def tile(cuts: Sequence[int], grains: Sequence[int], sealing: Sealing) -> Tiling:
    """Return how to sum from the first cut to the last so that nothing kept reaches across a cut.

    `grains` are those allowed, coarsest first. Raises InvalidRequest for what only pruned requests could
    tell.
    """
    laying = _Laying(sealing=sealing, sealed={grain: [] for grain in grains})
    for start, end in pairwise(cuts):
        laying.cover(start, end, grains)
    return Tiling(sealed={g: _joined(spans) for g, spans in laying.sealed.items()}, raw=_joined(laying.raw))


class _Laying(msgspec.Struct, kw_only=True):
    sealing: Sealing
    sealed: dict[int, list[Span]]
    raw: list[Span] = msgspec.field(default_factory=list)

    def cover(self, start: int, end: int, grains: Sequence[int]) -> None:
        if start >= end:
            return
        if not grains:
            self._take_raw(start, end)
            return
        grain, *finer = grains
        first, last = -(-start // grain) * grain, end // grain * grain
        if first >= last:
            self.cover(start, end, finer)
            return
        self.cover(start, first, finer)
        self._lay(first, last, grain, finer)
        self.cover(last, end, finer)

    def _lay(self, start: int, end: int, grain: int, finer: Sequence[int]) -> None:
        """Use the grain's own sums but where they are not whole."""
        unsealed = self.sealing.unsealed.get(grain, ())
        for gap in unsealed[bisect_left(unsealed, start) : bisect_left(unsealed, end)]:
            self._keep(start, gap, grain)
            if gap < self.sealing.pruned_ms and grain < DAY_MS:
                self._keep(gap, gap + grain, grain)
                self.raw.append((gap, gap + grain))
            else:
                self.cover(gap, gap + grain, finer)
            start = gap + grain
        self._keep(start, end, grain)

    def _keep(self, start: int, end: int, grain: int) -> None:
        if start < end:
            self.sealed[grain].append((start, end))

    def _take_raw(self, start: int, end: int) -> None:
        if start < self.sealing.pruned_ms:
            day = datetime.fromtimestamp(self.sealing.pruned_ms / 1000, UTC).isoformat(timespec="minutes")
            raise InvalidRequest(
                f"before {day} only sums by quarter of an hour, and by the usual groups, are kept; "
                "choose another window or other groups",
                param="since",
            )
        self.raw.append((start, end))


def _joined(spans: list[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
