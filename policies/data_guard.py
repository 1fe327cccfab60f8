"""Which deployments may receive a request's data: the classes that apply, and what each allows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

from policies.facts import Features
from policies.origin import NOWHERE, Origin

NO_CLASS = "this policy knows no such class"


class DataClass(msgspec.Struct, frozen=True, kw_only=True):
    """A class of data: how it is recognised and who may receive it."""

    name: str
    found: frozenset[str] = frozenset()
    """Kinds of sensitive data that put a request into this class."""
    at_least: int = 1
    """How many of them it takes."""
    providers: frozenset[str] | None = None
    """Providers that may receive it; with `deployments` None too, all may."""
    deployments: frozenset[str] | None = None
    """Deployments, by id or model name, that may receive it whoever runs them."""
    waived_by: frozenset[str] = frozenset()
    """Classes whose declaration by a trusted key overrules what was found."""
    locked: bool = False
    origin: Origin = NOWHERE

    @property
    def restricts(self) -> bool:
        """Tell whether some deployment may not receive it."""
        return self.providers is not None or self.deployments is not None

    def admits(self, provider: str, names: Iterable[str]) -> bool:
        """Tell whether a deployment of `provider`, known by `names`, may receive it."""
        if not self.restricts or provider in (self.providers or ()):
            return True
        return any(name in (self.deployments or ()) for name in names)


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """A class that a request's data belong to, and why."""

    data_class: DataClass
    because: str
    """`declared`, or the kinds that were found with their counts."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a deployment may not receive a request's data."""

    reason: str
    guard: str
    """The layer whose class forbids it."""


def applied_classes(classes: Sequence[DataClass], features: Features) -> tuple[Applied, ...]:
    """Return the classes of a request: what is declared, whoever declares it, and what was found.

    Only a trusted declaration waives what was found. A declared class that no pack defines admits nobody:
    where data may go is not guessed.
    """
    said = _said(features)
    waiver = said if features.declared.trusted else None
    applied = [
        Applied(data_class=each, because=because)
        for each in classes
        if (because := _because(each, features, said, waiver))
    ]
    if said is not None and classes and said not in {each.name for each in classes}:
        unknown = DataClass(name=said, providers=frozenset())
        applied.append(Applied(data_class=unknown, because=f"declared; {NO_CLASS}"))
    return tuple(applied)


def refusal(applied: Iterable[Applied], provider: str, names: Sequence[str]) -> Refusal | None:
    """Return why a deployment may not receive the data, None when it may; names classes and kinds only."""
    for each in applied:
        known = each.data_class
        if not known.admits(provider, names):
            reason = f"{names[-1]} may not receive data of class {known.name} ({each.because})"
            return Refusal(reason=reason, guard=str(known.origin))
    return None


def _said(features: Features) -> str | None:
    said = (features.declared.data_class or "").strip().casefold()
    return said or None


def _because(data_class: DataClass, features: Features, said: str | None, waiver: str | None) -> str:
    if said == data_class.name:
        return "declared"
    if not data_class.found or waiver in data_class.waived_by:
        return ""
    if features.data is None:
        return "the body was not searched"
    seen = [(kind, count) for kind, count in features.data.counts if kind in data_class.found]
    if sum(count for _, count in seen) < data_class.at_least:
        share = features.data.coverage
        return "" if share == 1.0 else f"only {math.floor(share * 100)} % of the body could be searched"
    return ", ".join(f"{count} {kind}" for kind, count in seen)
