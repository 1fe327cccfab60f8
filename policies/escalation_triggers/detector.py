"""The learnt detector: one pass over an ask gives each trigger's probability and premium's gain.

A linear model over words, marks and title words, kept as integers: each known feature maps to one wide
integer that packs a 16-bit lane per output, so scoring is a sum of dictionary look-ups (in C) and one
unpacking.
Training (`python -m tools.train`) imports `features` and `measures` from here, so the two sides cannot drift.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from itertools import chain
from math import exp
from operator import mul
from types import MappingProxyType
from typing import Final

import msgspec

from policies.escalation_triggers import detector_text
from policies.escalation_triggers.detector_file import (
    EVIDENCE,
    GAINS,
    KINDS,
    LABELS,
    LANES,
    NORM_STEPS,
    ZERO,
    Expert,
    Head,
    Lane,
    lane_steps,
    lane_sums,
    pack,
    unpack,
)
from policies.escalation_triggers.detector_text import (
    Scan,
    beside_words,
    first_place,
    names_of,
    pieces_of,
    scan,
    word_of,
)

__all__ = [
    "EVIDENCE",
    "GAINS",
    "KINDS",
    "LABELS",
    "LANES",
    "NORM_STEPS",
    "Contribution",
    "Detector",
    "Expert",
    "Head",
    "Lane",
    "Scores",
    "features",
    "measures",
    "pack",
]

_REMEMBERED: Final = 1
"""Texts that are kept cut up, as explaining a score needs its words again.

More would keep the memory of their words from being used again while it is in the processor's caches.
"""

_MOST_WEIGHED: Final = 48
"""How many features of a text an explanation looks at: the strongest for and against."""

_SURE: Final = 60.0
"""Log-odds beyond which a probability is as good as 0."""

_UNLIKELY: Final = 1e-3
"""Kinds with a smaller share cannot move the blended gain."""

_SHARPNESS: Final = 20.0
"""How closely the gain follows its estimate before it bends towards 0 or 1."""


class Contribution(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of the text given that moved a score: character offsets and log-odds."""

    start: int
    end: int
    weight: float


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """Calibrated probability per label, expected gain of premium in 0..1, share of features known."""

    probabilities: Mapping[str, float]
    gain: float
    known_fraction: float


class _Known(msgspec.Struct, frozen=True):
    """The features of a text that have weights."""

    rows: Mapping[bytes, int]
    words: Mapping[bytes, bytes]
    """The word that each of those tells of which are no words of the text themselves."""
    placed: Sequence[tuple[bytes, bytes]]
    """Those of `words` that tell where a word stands, and so add to what it says itself."""
    norm: float


def features(text: str) -> AbstractSet[bytes]:
    """Return the distinct features of the part of `text` that is read."""
    return detector_text.features(_scanned(text))


def measures(text: str) -> tuple[float, ...]:
    """Return the shape of the part of `text` that is read, as numbers."""
    return detector_text.measures(_scanned(text))


@lru_cache(_REMEMBERED)
def _scanned(text: str) -> Scan:
    return scan(text)


class Detector:
    """Score and explain texts with one set of weights; pure, total and bounded in the text's size."""

    __slots__ = ("_estimates", "_known", "_readings", "_weights", "revision")

    revision: str
    """A hash of the whole file: the same revision gives the same scores."""

    def __init__(self, head: Head, weights: Mapping[bytes, int], revision: str) -> None:
        self._estimates = [_estimate_of(expert, head) for expert in head.experts]
        self._weights = weights
        self._readings = [(lane.bias, lane.slope * lane.scale) for lane in head.lanes]
        self.revision = revision
        self._known = lru_cache(_REMEMBERED)(self._read_again)

    @classmethod
    def load(cls, blob: bytes) -> Detector:
        """Return the detector stored in `blob`.

        Raises:
            ValueError: the bytes are cut short, altered, or written for other labels.
        """
        head, weights = unpack(blob)
        return cls(head, weights, hashlib.sha256(blob).hexdigest()[:16])

    def score(self, text: str) -> Scores:
        """Return all probabilities and the gain for `text`; reads a bounded part of any text."""
        scanned = _scanned(text)
        others = beside_words(scanned)
        rows = filter(None, map(self._weights.get, chain(scanned.distinct, others)))
        *sums, squares, known = lane_sums(rows)
        lanes = self._read(sums, squares, known)
        chances = [
            1.0 / (1.0 + exp(-log_odds if log_odds > -_SURE else _SURE)) for log_odds in lanes[: len(LABELS)]
        ]
        return Scores(
            probabilities=MappingProxyType(dict(zip(LABELS, chances, strict=True))),
            gain=self._gain(lanes, detector_text.measures(scanned)),
            known_fraction=known / (len(scanned.distinct) + len(others)),
        )

    def explain(self, text: str, label: str, *, most: int = 5) -> tuple[Contribution, ...]:
        """Return the stretches of `text` that moved `label` most, strongest first, none overlapping.

        Raises:
            KeyError: `label` is not one of `LABELS`.
        """
        if label not in LABELS:
            raise KeyError(f"unknown label `{label}`: use one of {', '.join(LABELS)}")
        lane = LABELS.index(label)
        known = self._known(text)
        steps = dict(zip(known.rows, lane_steps(known.rows.values(), lane), strict=True))
        word_of_other = known.words.get
        words = {word_of_other(name, name) for name in _strongest(steps)} - {b""}
        for name, word in known.placed:
            steps[word] = steps.get(word, 0) + steps[name]
        ranked = sorted([(-abs(steps.get(word, 0)), word) for word in words])
        weighed = ((word, steps[word]) for strength, word in ranked if strength)
        return _placed(text, weighed, self._readings[lane][1] * known.norm, most)

    def _read_again(self, text: str) -> _Known:
        scanned, row_of = _scanned(text), self._weights.get
        others = {name: word_of(name) for name in beside_words(scanned) if name in self._weights}
        rows = {name: row for name in (*scanned.distinct, *others) if (row := row_of(name))}
        marked = [pair for pair in others.items() if pair[0].startswith(b"^")]
        placed = [(name, word) for name, word in marked if name in names_of(word)[1:]]
        return _Known(rows, others, placed, _norm(lane_sums(rows.values())[len(LANES)]))

    def _read(self, sums: Sequence[int], squares: int, known: int) -> list[float]:
        """Return the calibrated log-odds (or gain) of every lane."""
        norm, zero = _norm(squares), ZERO * known
        return [
            bias + step * norm * (total - zero)
            for (bias, step), total in zip(self._readings, sums, strict=True)
        ]

    def _gain(self, lanes: Sequence[float], shape: Sequence[float]) -> float:
        """Return the blend of the experts' estimates, weighted by what kind of ask this looks like."""
        last = len(LABELS) + len(KINDS)
        evidence = (*shape, *lanes[: len(LABELS)], *lanes[last:])
        shares = _softmax(lanes[len(LABELS) : last])
        blend = 0.0
        for share, (level, weights) in zip(shares, self._estimates, strict=True):
            if share > _UNLIKELY:
                blend += share * (level + sum(map(mul, weights, evidence)))
        return _squash(blend)


def _estimate_of(expert: Expert, head: Head) -> tuple[float, Sequence[float]]:
    """Return an expert's level and its weights of measures as they are, then of evidence."""
    by_shape = [weight / spread for weight, spread in zip(expert.measures, head.spreads, strict=True)]
    return expert.mean - sum(map(mul, by_shape, head.centres)), (*by_shape, *expert.evidence)


def _strongest(steps: Mapping[bytes, int]) -> Iterable[bytes]:
    """Return the features that speak most for and against a label; all where they are few."""
    if len(steps) <= _MOST_WEIGHED:
        return steps
    ranked, half = sorted(zip(steps.values(), steps, strict=True)), _MOST_WEIGHED // 2
    return [name for _, name in ranked[:half] + ranked[-half:]]


def _placed(
    text: str, weighed: Iterable[tuple[bytes, int]], step: float, most: int
) -> tuple[Contribution, ...]:
    """Return the first `most` words that stand in the text, and where each first does."""
    pieces = pieces_of(text)
    chosen: list[Contribution] = []
    for word, weight in weighed:
        if len(chosen) >= most:
            break
        place = first_place(pieces, word)
        if place is not None:
            chosen.append(Contribution(start=place[0], end=place[1], weight=step * weight))
    return tuple(chosen)


def _norm(squares: int) -> float:
    return math.sqrt(NORM_STEPS / max(squares, 1))


def _softmax(log_odds: Sequence[float]) -> list[float]:
    top = max(log_odds)
    raw = [exp(value - top) for value in log_odds]
    total = sum(raw)
    return [value / total for value in raw]


def _squash(estimate: float) -> float:
    """Clip an estimate to 0..1 smoothly, so that ranks survive and the middle stays what it was."""
    bounded = max(-2.0, min(3.0, estimate))
    return min(1.0, _softplus(bounded) - _softplus(bounded - 1.0))


def _softplus(value: float) -> float:
    return math.log1p(exp(_SHARPNESS * value)) / _SHARPNESS
