"""Conditions over signals: `all`, `any`, `not` and comparisons, evaluated to a reasoned verdict."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Literal, TypeVar

import msgspec

from policies.verdicts import Signal, Span

_T = TypeVar("_T")
Comparison = Literal["at_least", "above", "at_most", "below"]
_COMPARE: Mapping[Comparison, tuple[str, Callable[[float, float], bool]]] = {
    "at_least": (">=", operator.ge),
    "above": (">", operator.gt),
    "at_most": ("<=", operator.le),
    "below": ("<", operator.lt),
}
MAX_DEPTH = 12


class ConditionDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"not_": "not"}):
    """A condition as written in a pack: one of all, any, not, or a signal with one comparison."""

    all: list[ConditionDoc] | None = None
    any: list[ConditionDoc] | None = None
    not_: ConditionDoc | None = None
    signal: str | None = None
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None


@dataclass(frozen=True, slots=True)
class Compare:
    """One signal against one number."""

    signal: str
    comparison: Comparison
    bound: float

    @property
    def is_ceiling(self) -> bool:
        """Tell whether the bound is from above: such a condition holds fully or not at all."""
        return self.comparison in {"at_most", "below"}

    def holds(self, signals: Mapping[str, Signal]) -> bool | None:
        """Compare, None where the signal was not measured.

        `holds` is the same truth as `evaluate` at a tenth of its price: most triggers need no words.
        """
        signal = signals.get(self.signal)
        if signal is None or not math.isfinite(signal.value):
            return None
        return _COMPARE[self.comparison][1](signal.value, self.bound)


@dataclass(frozen=True, slots=True)
class Every:
    """All of the parts hold."""

    parts: tuple[Condition, ...]

    def holds(self, signals: Mapping[str, Signal]) -> bool | None:
        """Combine by Kleene's `and`."""
        return _settled(self.parts, signals, by=False)


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of the parts holds."""

    parts: tuple[Condition, ...]

    def holds(self, signals: Mapping[str, Signal]) -> bool | None:
        """Combine by Kleene's `or`."""
        return _settled(self.parts, signals, by=True)


@dataclass(frozen=True, slots=True)
class Negated:
    """The part does not hold."""

    part: Condition

    def holds(self, signals: Mapping[str, Signal]) -> bool | None:
        """Say the opposite of what can be told."""
        inner = self.part.holds(signals)
        return None if inner is None else not inner


Condition = Compare | Every | Some | Negated


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a condition holds, how strongly (0..1), why in words, and where in the ask.

    A verdict with `missing` signals is neither true nor false: their values could have decided either way.
    """

    matched: bool
    strength: float = 0.0
    because: str = ""
    spans: tuple[Span, ...] = ()
    missing: tuple[str, ...] = ()
    """Signals nobody measured and without which the condition cannot be told."""
    signals: tuple[str, ...] = ()
    """Signals whose values made the condition hold."""

    @property
    def refuted(self) -> bool:
        """Tell whether the condition does not hold, whatever was not measured."""
        return not self.matched and not self.missing


def parse(doc: ConditionDoc, depth: int = 0) -> Condition:
    """Return the condition `doc` describes; raise ValueError saying what is ambiguous or missing."""
    if depth > MAX_DEPTH:
        raise ValueError(f"conditions nest deeper than {MAX_DEPTH}; split the trigger")
    given = [name for name in ("all", "any", "not_", "signal") if getattr(doc, name) is not None]
    if len(given) != 1:
        raise ValueError("a condition needs exactly one of `all`, `any`, `not` or `signal`")
    if doc.signal is None and any(getattr(doc, name) is not None for name in _COMPARE):
        raise ValueError("a comparison belongs beside its `signal`; move it into a condition of its own")
    if doc.all is not None:
        return Every(tuple(parse(part, depth + 1) for part in _filled("all", doc.all)))
    if doc.any is not None:
        return Some(tuple(parse(part, depth + 1) for part in _filled("any", doc.any)))
    if doc.not_ is not None:
        return Negated(parse(doc.not_, depth + 1))
    return _comparison(doc)


def named(doc: ConditionDoc) -> Iterator[str]:
    """Yield every signal's name in a condition as written, whether or not it can be parsed."""
    if doc.signal is not None:
        yield doc.signal
    for part in (*(doc.all or ()), *(doc.any or ()), *((doc.not_,) if doc.not_ else ())):
        yield from named(part)


def signal_names(condition: Condition) -> Iterator[str]:
    """Yield the name of every signal the condition reads."""
    match condition:
        case Compare(signal=name):
            yield name
        case Negated(part=part):
            yield from signal_names(part)
        case Every(parts=parts) | Some(parts=parts):
            for part in parts:
                yield from signal_names(part)


def _settled(parts: Iterable[Condition], signals: Mapping[str, Signal], *, by: bool) -> bool | None:
    """Return `by` if any part says so, None if any cannot be told, else its opposite."""
    unknown = False
    for part in parts:
        truth = part.holds(signals)
        if truth is by:
            return by
        unknown = unknown or truth is None
    return None if unknown else not by


def evaluate(condition: Condition, signals: Mapping[str, Signal]) -> Verdict:
    """Return the verdict of `condition` over `signals`, in words; an unmeasured signal never matches."""
    match condition:
        case Compare():
            return _compare(condition, signals)
        case Negated(part=part):
            inner = evaluate(part, signals)
            strength = 1.0 if inner.refuted else 0.0
            return Verdict(inner.refuted, strength, f"not ({inner.because})", missing=inner.missing)
        case Every(parts=parts):
            return _every([evaluate(part, signals) for part in parts])
        case Some(parts=parts):
            return _some([evaluate(part, signals) for part in parts])


def _filled(name: str, docs: list[ConditionDoc]) -> list[ConditionDoc]:
    if not docs:
        raise ValueError(f"`{name}` is empty; give at least one condition")
    return docs


def _comparison(doc: ConditionDoc) -> Compare:
    given = [(name, getattr(doc, name)) for name in _COMPARE if getattr(doc, name) is not None]
    if len(given) != 1:
        raise ValueError(
            f"signal `{doc.signal}` needs exactly one of {', '.join(f'`{n}`' for n in _COMPARE)}"
        )
    name, bound = given[0]
    if not math.isfinite(bound):
        raise ValueError(f"signal `{doc.signal}` is compared with `{bound}`; give a finite number")
    return Compare(str(doc.signal), name, float(bound))


def _compare(condition: Compare, signals: Mapping[str, Signal]) -> Verdict:
    symbol, holds = _COMPARE[condition.comparison]
    name, signal = condition.signal, signals.get(condition.signal)
    if signal is None or not math.isfinite(signal.value):
        return Verdict(matched=False, because=f"{name} not measured", missing=(name,))
    because = f"{name} {signal.value:.2f} {symbol} {condition.bound:.2f}"
    if not holds(signal.value, condition.bound):
        return Verdict(matched=False, because=because)
    strength = 1.0 if condition.is_ceiling else min(1.0, max(0.0, signal.value))
    return Verdict(True, strength, because, signal.spans, signals=(name,))  # noqa: FBT003


def _every(verdicts: list[Verdict]) -> Verdict:
    """Combine by Kleene's `and`: one refuted part refutes, whatever was not measured beside it."""
    refuted = [v for v in verdicts if v.refuted]
    missing = () if refuted else _joined(v.missing for v in verdicts)
    if refuted or missing:
        shown = refuted or [v for v in verdicts if v.missing]
        return Verdict(matched=False, because=" and ".join(v.because for v in shown), missing=missing)
    return Verdict(
        matched=True,
        strength=min(v.strength for v in verdicts),
        because=" and ".join(v.because for v in verdicts),
        spans=_joined(v.spans for v in verdicts),
        signals=_joined(v.signals for v in verdicts),
    )


def _some(verdicts: list[Verdict]) -> Verdict:
    """Combine by Kleene's `or`: one part that holds decides, whatever was not measured beside it."""
    hits = [v for v in verdicts if v.matched]
    if not hits:
        because = " or ".join(v.because for v in verdicts)
        return Verdict(matched=False, because=because, missing=_joined(v.missing for v in verdicts))
    return Verdict(
        matched=True,
        strength=max(v.strength for v in hits),
        because=" or ".join(v.because for v in hits),
        spans=_joined(v.spans for v in hits),
        signals=_joined(v.signals for v in hits),
    )


def _joined(parts: Iterable[tuple[_T, ...]]) -> tuple[_T, ...]:
    """Return all items in order, each once."""
    return tuple(dict.fromkeys(chain.from_iterable(parts)))
