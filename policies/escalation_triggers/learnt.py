"""Learnt signals: the detector's calibrated probabilities and its estimate of the premium model's gain."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from policies.escalation_triggers.detector import LABELS, Detector
from policies.facts import Features
from policies.verdicts import Signal, Span

_EXPLAINED_WORDS = 5


class DetectorSource:
    """`detector.<label>` in 0..1 for every label, and `detector.gain`."""

    prefix = "detector"

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def names(self) -> Collection[str]:
        """Return the names of all labels and of the gain."""
        return (*(f"detector.{label}" for label in LABELS), "detector.gain", "detector.known_fraction")

    def measure(self, features: Features) -> Mapping[str, Signal]:
        """Return the probabilities for the ask; nothing where there is no ask."""
        if not features.ask.text:
            return {}
        scores = self._detector.score(features.ask.text)
        signals = {f"detector.{label}": Signal(value=p) for label, p in scores.probabilities.items()}
        signals["detector.gain"] = Signal(value=scores.gain)
        signals["detector.known_fraction"] = Signal(value=scores.known_fraction)
        return signals

    def locate(self, name: str, features: Features) -> tuple[Span, ...]:
        """Return the words that moved a label's score most."""
        label = name.removeprefix("detector.")
        if label not in LABELS:
            return ()
        found = self._detector.explain(features.ask.text, label, most=_EXPLAINED_WORDS)
        return tuple(Span(start=c.start, end=c.end, label=label, weight=c.weight) for c in found)
