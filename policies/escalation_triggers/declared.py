"""Declared signals: what a trusted key says of the work, as one signal for each value a pack asks about."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from policies.facts import Features
from policies.verdicts import Signal, Span

FIELDS = ("service", "environment", "data_class", "impact", "revenue_impact", "customer_impact")


class DeclaredSource:
    """`declared.<field>.<value>`: 1 where a trusted key declares just that (in any case of letters), else 0.

    The values are those that the policy's conditions name. An untrusted key's declarations count as none.
    """

    prefix = "declared"
    of_ask = False

    def __init__(self, asked: Iterable[str]) -> None:
        self._asked: dict[str, tuple[str, str]] = {}
        for name in asked:
            _, field, value = (*name.split(".", 2), "", "")[:3]
            if name.startswith("declared.") and field in FIELDS and value:
                self._asked[name] = (field, value.casefold())

    def names(self) -> Collection[str]:
        """Return the names that were asked for and are well formed."""
        return self._asked.keys()

    def measure(self, features: Features) -> Mapping[str, Signal]:
        """Return 0 or 1 for every name asked for."""
        if not self._asked:
            return {}
        return {
            name: Signal(value=float(self._is_declared(features, field, value)))
            for name, (field, value) in self._asked.items()
        }

    def locate(self, name: str, features: Features) -> tuple[Span, ...]:  # noqa: ARG002
        """Return nothing: a declaration is no part of the ask."""
        return ()

    def _is_declared(self, features: Features, field: str, value: str) -> bool:
        declared = features.declared
        said: str | None = getattr(declared, field)
        return declared.trusted and said is not None and said.strip().casefold() == value
