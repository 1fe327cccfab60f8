"""Measure what the detector costs on this machine: time to score and load, size, memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from policies.escalation_triggers.detector import Detector

_SAMPLE: Final = 3000
_ASK_CHARS: Final = (1500, 2500)
"""About 500 tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Times in milliseconds, sizes in MiB."""

    ask_p50_ms: float
    ask_p99_ms: float
    any_p50_ms: float
    any_p99_ms: float
    load_ms: float
    file_mib: float
    resident_mib: float
    revision: str


def measure(blob: bytes, detector: Detector, texts: Sequence[str]) -> Cost:
    """Return the cost of scoring `texts` and of loading `blob`."""
    low, high = _ASK_CHARS
    asks = [text for text in texts if low <= len(text) <= high][:_SAMPLE]
    ask_ms, any_ms = _score_ms(detector, asks), _score_ms(detector, texts[:: max(1, len(texts) // _SAMPLE)])
    return Cost(
        ask_p50_ms=float(np.percentile(ask_ms, 50)),
        ask_p99_ms=float(np.percentile(ask_ms, 99)),
        any_p50_ms=float(np.percentile(any_ms, 50)),
        any_p99_ms=float(np.percentile(any_ms, 99)),
        load_ms=min(_load_ms(blob) for _ in range(5)),
        file_mib=len(blob) / 2**20,
        resident_mib=_resident_mib(blob),
        revision=detector.revision,
    )


def _score_ms(detector: Detector, texts: Sequence[str]) -> list[float]:
    """Return the best of three times per text, so that a busy machine does not count."""
    best = []
    for text in texts:
        times = []
        for _ in range(3):
            start = time.perf_counter()
            detector.score(text)
            times.append(time.perf_counter() - start)
        best.append(1000 * min(times))
    return best


def _load_ms(blob: bytes) -> float:
    start = time.perf_counter()
    Detector.load(blob)
    return 1000 * (time.perf_counter() - start)


def _resident_mib(blob: bytes) -> float:
    tracemalloc.start()
    kept = [Detector.load(blob)]
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    kept.clear()
    return size / 2**20
