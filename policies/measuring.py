"""What all sources of a policy measure of a request; of an ask met again, only the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING

import msgspec

from policies.escalation_triggers.base import SignalSource
from policies.escalation_triggers.recall import REMEMBERED_ASKS, REMEMBERED_CHARS
from policies.facts import Ask, Features
from policies.verdicts import Signal

if TYPE_CHECKING:
    from policies.policy import Trigger


class Measured(msgspec.Struct, frozen=True):
    """Every signal by name, and its value alone."""

    signals: dict[str, Signal]
    values: dict[str, float]
    near: Sequence[Trigger] = ()
    """The triggers that what is known of the ask does not rule out."""


class Measuring:
    """Measures requests with the sources and for the triggers of one policy; threads may share it."""

    def __init__(self, sources: Sequence[SignalSource], triggers: Sequence[Trigger]) -> None:
        asked = [source for source in sources if source.names()]
        self._of_ask = [source for source in asked if source.of_ask]
        self._others = [source for source in asked if not source.of_ask]
        self._triggers = triggers
        self._remembered = lru_cache(REMEMBERED_ASKS)(self._measure_ask)

    def measure(self, features: Features) -> Measured:
        """Return every signal of the request; housekeeping calls are not measured."""
        ask = features.ask
        if ask.housekeeping is not None:
            return Measured({}, {})
        chars = len(ask.text) + sum(map(len, ask.evidence))
        measure_ask = self._remembered if chars <= REMEMBERED_CHARS else self._measure_ask
        told = measure_ask(ask.text, ask.evidence)
        signals = told.signals.copy()
        others: dict[str, Signal] = {}
        for source in self._others:
            if more := source.measure(features):
                others.update(more)
        signals.update(others)
        values = told.values.copy()
        for name, signal in others.items():
            values[name] = signal.value
        return Measured(signals, values, told.near)

    def _measure_ask(self, text: str, evidence: tuple[str, ...]) -> Measured:
        features = Features(ask=Ask(text=text, evidence=evidence))
        signals: dict[str, Signal] = {}
        for source in self._of_ask:
            signals |= source.measure(features)
        values = {name: signal.value for name, signal in signals.items()}
        return Measured(signals, values, worth_a_look(self._triggers, signals))


def worth_a_look(triggers: Iterable[Trigger], signals: Mapping[str, Signal]) -> list[Trigger]:
    """Return the triggers whose gate some signal reaches, or that have none; no other condition holds.

    One loop for all: of most requests that is all that is asked about most triggers.
    """
    opened = []
    for trigger in triggers:
        for name, bound in trigger.gate:
            signal = signals.get(name)
            if signal is None or not -inf < signal.value < bound:  # so written, what is no number opens it
                opened.append(trigger)
                break
        else:
            if not trigger.gate:
                opened.append(trigger)
    return opened
