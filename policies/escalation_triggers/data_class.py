"""Data signals: secrets and personal data in the whole outgoing body, counted by kind."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from policies.facts import Features
from policies.sensitive_data import GROUPS, KINDS
from policies.verdicts import Signal, Span


class DataClassSource:
    """`data.<kind>`, `data.secrets`, `data.personal`: how often each was seen; unknown if not searched.

    `data.coverage` is the share of the body's text that was searched.
    """

    prefix = "data"
    of_ask = False

    def names(self) -> Collection[str]:
        """Return the names of all kinds and groups, and the coverage's."""
        return tuple(f"data.{name}" for name in (*KINDS, *GROUPS, "coverage"))

    def measure(self, features: Features) -> Mapping[str, Signal]:
        """Return every count; nothing where the body was not searched, as no policy asked for it."""
        if features.data is None:
            return {}
        counts = dict(features.data.counts)
        groups = {name: sum(counts.get(kind, 0) for kind in kinds) for name, kinds in GROUPS.items()}
        values = {kind: counts.get(kind, 0) for kind in KINDS} | groups
        measured = values | {"coverage": features.data.coverage}
        return {f"data.{name}": Signal(value=float(value)) for name, value in measured.items()}

    def locate(self, name: str, features: Features) -> tuple[Span, ...]:  # noqa: ARG002
        """Return nothing: the data stand in the body, and need not be in the ask."""
        return ()
