from __future__ import annotations

import pytest

from policies.escalation_triggers import build_sources
from policies.escalation_triggers.detector import (
    EVIDENCE,
    KINDS,
    LABELS,
    LANES,
    Detector,
    Expert,
    Head,
    Lane,
    measures,
    pack,
)
from policies.escalation_triggers.learnt import DetectorSource
from policies.facts import Ask, Features


@pytest.fixture(scope="module")
def source() -> DetectorSource:
    """A detector that knows one word: `jwt` speaks for security."""
    shape = (0.0,) * len(measures("x"))
    head = Head(
        lanes=(Lane(scale=0.1, bias=-2.0, slope=1.0),) * len(LANES),
        experts=(Expert(mean=0.25, measures=shape, evidence=(0.0,) * len(EVIDENCE)),) * len(KINDS),
        centres=shape,
        spreads=(1.0,) * len(shape),
    )
    row = bytes((228, *[128] * (len(LANES) - 1), 2))
    return DetectorSource(Detector.load(pack(head, ["jwt"], row)))


def features(text: str) -> Features:
    """Return the features of an ask."""
    return Features(ask=Ask(text=text))


def test_every_label(source: DetectorSource) -> None:
    """Every label, the gain and the known share are measured, all within 0..1."""
    signals = source.measure(features("check the jwt"))

    assert (
        set(signals)
        == set(source.names())
        == {
            *(f"detector.{label}" for label in LABELS),
            "detector.gain",
            "detector.known_fraction",
        }
    )
    assert all(0.0 <= signal.value <= 1.0 for signal in signals.values())
    assert signals["detector.security"].value > 0.9
    assert signals["detector.database"].value < 0.5


def test_no_ask(source: DetectorSource) -> None:
    """Without an ask nothing is measured, rather than guessed."""
    assert source.measure(features("")) == {}


def test_located(source: DetectorSource) -> None:
    """The words that moved a label are found when asked for; the gain has no place."""
    text = "check the jwt"
    spans = source.locate("detector.security", features(text))

    assert [(text[s.start : s.end], s.label, s.weight > 0) for s in spans] == [("jwt", "security", True)]
    assert source.locate("detector.gain", features(text)) == ()


def test_registry() -> None:
    """Without a detector the other sources still measure, each under its own prefix."""
    prefixes = ["lexicon", "structure", "conversation", "request", "data", "context", "declared"]

    assert [s.prefix for s in build_sources({}, None)] == prefixes
