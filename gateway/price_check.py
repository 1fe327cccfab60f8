"""Our price table beside litellm's map: what differs, what it does not know, what it gives away. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

from policies.pricing import ModelCard, Price

Verdict = Literal["same", "differs", "unknown", "free", "not yet"]
_PER_MILLION = Decimal(1_000_000)
_FIELDS: Mapping[str, str] = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cache_read": "cache_read_input_token_cost",
    "cache_write_5m": "cache_creation_input_token_cost",
    "cache_write_1h": "cache_creation_input_token_cost_above_1hr",
}


class _Entry(msgspec.Struct, frozen=True):
    litellm_provider: str = ""
    input_cost_per_token: Decimal | None = None
    output_cost_per_token: Decimal | None = None
    cache_read_input_token_cost: Decimal | None = None
    cache_creation_input_token_cost: Decimal | None = None
    cache_creation_input_token_cost_above_1hr: Decimal | None = None


class PriceCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One model of ours against the map's entry; prices in USD per million tokens, as text."""

    model: str
    verdict: Verdict
    """`free`: at no price there, `unknown`: not there, `not yet`: we have no price in force ourselves."""
    found_as: str | None = None
    differences: dict[str, tuple[str | None, str | None]] = {}
    """By class: our price and the map's; null where a side has none."""


class ForeignMap:
    """litellm's map of model prices, decoded entry by entry: some of its entries are no prices."""

    def __init__(self, body: bytes) -> None:
        self._entries = msgspec.json.decode(body, type=dict[str, msgspec.Raw])

    def check(self, card: ModelCard, others: tuple[str, ...], today: date) -> PriceCheck:
        """Return how the map prices a model, also under its `others` names."""
        price = card.price_on(today)
        if price is None:
            return PriceCheck(model=card.name, verdict="not yet")
        for name in _names(card.name, others):
            entry = self._entry(name, card.name.partition("/")[0])
            if entry is not None:
                return _compare(card.name, name, price, entry)
        return PriceCheck(model=card.name, verdict="unknown")

    def _entry(self, name: str, provider: str) -> _Entry | None:
        raw = self._entries.get(name)
        if raw is None:
            return None
        try:
            entry = msgspec.json.decode(raw, type=_Entry)
        except msgspec.ValidationError:
            return None
        return entry if entry.litellm_provider in {provider, ""} else None


def _names(name: str, others: tuple[str, ...]) -> Iterator[str]:
    """Yield what the map may call a model: it drops the prefix of the best-known vendors."""
    for known in (name, *others):
        yield known
        yield known.partition("/")[2]


def _compare(model: str, found_as: str, price: Price, entry: _Entry) -> PriceCheck:
    differences: dict[str, tuple[str | None, str | None]] = {}
    for ours, theirs in _FIELDS.items():
        mine: Decimal | None = getattr(price, ours)
        per_token: Decimal | None = getattr(entry, theirs)
        other = None if per_token is None else per_token * _PER_MILLION
        if mine != other:
            differences[ours] = (_text(mine), _text(other))
    free = not entry.input_cost_per_token and not entry.output_cost_per_token
    verdict: Verdict = "free" if free else "differs" if differences else "same"
    return PriceCheck(model=model, verdict=verdict, found_as=found_as, differences=differences)


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount.normalize():f}"
