"""Samples the request's path adds to as plain numbers; what Prometheus wants to see is made when it asks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from math import inf
from time import time
from typing import Literal

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

Labels = tuple[str, ...]


class _Series(dict[Labels, float]):
    """Numbers by labels, none at first, and since when each is counted."""

    def __init__(self) -> None:
        self.since_s: dict[Labels, float] = {}

    def __missing__(self, labels: Labels) -> float:
        self.since_s[labels] = time()
        return 0.0


class Sums(Collector):
    """A counter or a gauge: `series[labels] += amount`, in the loop's thread."""

    def __init__(
        self,
        name: str,
        text: str,
        labels: Sequence[str],
        *,
        registry: CollectorRegistry,
        kind: Literal["counter", "gauge"] = "counter",
    ) -> None:
        self.series = _Series()
        self._about = name, text, kind
        self._labels = tuple(labels)
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Return the family as it stands."""
        name, text, kind = self._about
        family = Metric(name, text, kind)
        for values, amount in self.series.items():
            labels = dict(zip(self._labels, values, strict=True))
            if kind == "gauge":
                family.add_sample(name, labels, amount)
            else:
                family.add_sample(f"{name}_total", labels, amount)
                family.add_sample(f"{name}_created", labels, self.series.since_s[values])
        return (family,)


class Spread(Collector):
    """A histogram with one label: `note` adds to the bucket a value falls into."""

    def __init__(
        self, name: str, text: str, label: str, *, buckets: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self._about = name, text, label
        self._bounds = (*buckets, inf)
        self._counts: dict[str, list[int]] = {}
        self._sums = _Series()
        registry.register(self)

    def note(self, label: str, value: float) -> None:
        """Count one value; a bound belongs to the bucket it ends."""
        counts = self._counts.get(label)
        if counts is None:
            counts = self._counts[label] = [0] * len(self._bounds)
        counts[bisect_left(self._bounds, value)] += 1
        self._sums[label,] += value

    def collect(self) -> Iterable[Metric]:
        """Return the family as it stands, each bucket with all before it."""
        name, text, label = self._about
        family = Metric(name, text, "histogram")
        for value, counts in self._counts.items():
            self._add(family.add_sample, {label: value}, counts)
        return (family,)

    def _add(
        self, add: Callable[[str, dict[str, str], float], None], labels: dict[str, str], counts: list[int]
    ) -> None:
        name, place, below = self._about[0], tuple(labels.values()), 0
        for bound, count in zip(self._bounds, counts, strict=True):
            below += count
            add(f"{name}_bucket", {**labels, "le": "+Inf" if bound == inf else repr(float(bound))}, below)
        add(f"{name}_count", labels, below)
        add(f"{name}_sum", labels, self._sums[place])
        add(f"{name}_created", labels, self._sums.since_s[place])
