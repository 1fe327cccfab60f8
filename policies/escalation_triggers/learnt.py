"""Learnt signals: the detector's calibrated probabilities and its estimate of the premium model's gain."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache

from policies.escalation_triggers.detector import LABELS, Detector
from policies.escalation_triggers.recall import REMEMBERED_ASKS, REMEMBERED_CHARS, remembering
from policies.facts import Features
from policies.verdicts import Signal, Span

_EXPLAINED_WORDS = 5
_LABEL_NAMES = tuple(f"detector.{label}" for label in LABELS)


class DetectorSource:
    """`detector.<label>` in 0..1 for every label, and `detector.gain`."""

    prefix = "detector"
    of_ask = True

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._of_text = remembering(self._signals)
        self._located = lru_cache(REMEMBERED_ASKS)(self._spans)

    def names(self) -> Collection[str]:
        """Return the names of all labels and of the gain."""
        return (*_LABEL_NAMES, "detector.gain", "detector.known_fraction")

    def measure(self, features: Features) -> Mapping[str, Signal]:
        """Return the probabilities for the ask; nothing where there is no ask."""
        text = features.ask.text
        if not text:
            return {}
        return self._of_text(text)

    def locate(self, name: str, features: Features) -> tuple[Span, ...]:
        """Return the words that moved a label's score most."""
        label, text = name.removeprefix("detector."), features.ask.text
        if label not in LABELS:
            return ()
        return self._spans(text, label) if len(text) > REMEMBERED_CHARS else self._located(text, label)

    def _signals(self, text: str) -> Mapping[str, Signal]:
        scores = self._detector.score(text)
        chances = zip(_LABEL_NAMES, scores.probabilities.values(), strict=True)
        signals = {name: Signal(value=chance) for name, chance in chances}
        signals["detector.gain"] = Signal(value=scores.gain)
        signals["detector.known_fraction"] = Signal(value=scores.known_fraction)
        return signals

    def _spans(self, text: str, label: str) -> tuple[Span, ...]:
        found = self._detector.explain(text, label, most=_EXPLAINED_WORDS)
        return tuple(Span(start=c.start, end=c.end, label=label, weight=c.weight) for c in found)
