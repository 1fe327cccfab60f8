"""Conditions over signals: `all`, `any`, `not` and comparisons, evaluated to a reasoned verdict."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Literal

import msgspec

from policies.verdicts import Signal, Span

Comparison = Literal["at_least", "above", "at_most", "below"]
_COMPARE: Mapping[Comparison, tuple[str, Callable[[float, float], bool]]] = {
    "at_least": (">=", operator.ge),
    "above": (">", operator.gt),
    "at_most": ("<=", operator.le),
    "below": ("<", operator.lt),
}
MAX_DEPTH = 12
Signals = Mapping[str, Signal]
Names = dict[str, None]
"""Names of signals in order, each once."""


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


class Compare(msgspec.Struct, frozen=True):
    """One signal against one number.

    Every condition can be asked three things: `holds` is the truth alone, at a tenth of the price of words,
    which most requests need for no trigger; `grounds` says by what it holds, `shortfall` why it does not.
    """

    signal: str
    comparison: Comparison
    bound: float

    @property
    def is_ceiling(self) -> bool:
        """Tell whether the bound is from above: such a condition holds fully or not at all."""
        return self.comparison in {"at_most", "below"}

    def holds(self, signals: Signals) -> bool | None:
        """Compare, None where the signal was not measured."""
        signal = signals.get(self.signal)
        if signal is None or not -math.inf < signal.value < math.inf:
            return None
        return _COMPARE[self.comparison][1](signal.value, self.bound)

    def grounds(self, signals: Signals, names: Names) -> tuple[float, str]:
        """Return how strongly it holds and the words; add the signal to `names`."""
        value, names[self.signal] = signals[self.signal].value, None
        strength = 1.0 if value >= 1.0 or self.is_ceiling else max(0.0, value)
        return strength, self._words(value)

    def shortfall(self, signals: Signals, missing: Names) -> str:
        """Return why it does not hold; add a signal that was not measured to `missing`."""
        if self.holds(signals) is not None:
            return self._words(signals[self.signal].value)
        missing[self.signal] = None
        return f"{self.signal} not measured"

    def _words(self, value: float) -> str:
        return f"{self.signal} {value:.2f} {_COMPARE[self.comparison][0]} {self.bound:.2f}"


class Every(msgspec.Struct, frozen=True):
    """All of the parts hold."""

    parts: tuple[Condition, ...]

    def holds(self, signals: Signals) -> bool | None:
        """Combine by Kleene's `and`."""
        return _settled(self.parts, signals, by=False)

    def grounds(self, signals: Signals, names: Names) -> tuple[float, str]:
        """Return all parts' grounds, as strong as the weakest."""
        told = [part.grounds(signals, names) for part in self.parts]
        return min(told)[0], " and ".join([words for _, words in told])

    def shortfall(self, signals: Signals, missing: Names) -> str:
        """Return the refuted parts' words: one refutes, whatever was not measured beside it."""
        truths = [part.holds(signals) for part in self.parts]
        wanted = False if False in truths else None
        shown = [part for part, truth in zip(self.parts, truths, strict=True) if truth is wanted]
        return " and ".join([part.shortfall(signals, missing) for part in shown])


class Some(msgspec.Struct, frozen=True):
    """At least one of the parts holds."""

    parts: tuple[Condition, ...]

    def holds(self, signals: Signals) -> bool | None:
        """Combine by Kleene's `or`."""
        return _settled(self.parts, signals, by=True)

    def grounds(self, signals: Signals, names: Names) -> tuple[float, str]:
        """Return the grounds of the parts that hold, as strong as the strongest."""
        told = [part.grounds(signals, names) for part in self.parts if part.holds(signals)]
        return max(told)[0], " or ".join([words for _, words in told])

    def shortfall(self, signals: Signals, missing: Names) -> str:
        """Return all parts' words."""
        return " or ".join([part.shortfall(signals, missing) for part in self.parts])


class Negated(msgspec.Struct, frozen=True):
    """The part does not hold."""

    part: Condition

    def holds(self, signals: Signals) -> bool | None:
        """Say the opposite of what can be told."""
        inner = self.part.holds(signals)
        return None if inner is None else not inner

    def grounds(self, signals: Signals, names: Names) -> tuple[float, str]:  # noqa: ARG002 - absence has no place
        """Return full strength and why the part does not hold."""
        return 1.0, f"not ({self.part.shortfall(signals, {})})"

    def shortfall(self, signals: Signals, missing: Names) -> str:
        """Return why the part holds, or cannot be told."""
        inner = evaluate(self.part, signals)
        missing.update(dict.fromkeys(inner.missing))
        return f"not ({inner.because})"


Condition = Compare | Every | Some | Negated


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
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


def _settled(parts: Iterable[Condition], signals: Signals, *, by: bool) -> bool | None:
    """Return `by` if any part says so, None if any cannot be told, else its opposite."""
    unknown = False
    for part in parts:
        truth = part.holds(signals)
        if truth is by:
            return by
        unknown = unknown or truth is None
    return None if unknown else not by


def evaluate(condition: Condition, signals: Signals) -> Verdict:
    """Return the verdict of `condition` over `signals`, in words; an unmeasured signal never matches."""
    names: dict[str, None] = {}
    if not condition.holds(signals):
        return Verdict(matched=False, because=condition.shortfall(signals, names), missing=tuple(names))
    strength, because = condition.grounds(signals, names)
    spans = dict.fromkeys(chain.from_iterable([signals[name].spans for name in names]))
    return Verdict(matched=True, strength=strength, because=because, spans=tuple(spans), signals=tuple(names))


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
