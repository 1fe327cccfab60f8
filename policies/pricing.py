"""Money: the dated price table and the only arithmetic that turns usage into cost.

Amounts are integers of nano-USD (1e-9 USD), so sums are exact in Python, SQL and Redis alike. Prices
are `Decimal` USD per million tokens, reckoned with as whole numbers (`Rates`); a cost is rounded once, per
attempt, half to even.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from functools import cached_property
from math import lcm
from typing import Protocol

import msgspec
from msgspec.structs import replace

NANO_PER_USD = 1_000_000_000
_NANO_PER_USD_PER_MILLION = 1000
_NANO_USD = Decimal("1e-9")
_MAX_USD = 9_000_000_000
"""More nano-USD than this do not fit the 64-bit integers of SQL and Redis."""
_EXACT = Context(prec=100)
"""Wide enough that no product or sum is rounded, whatever context the host program has set."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one attempt by price class; the classes do not overlap.

    `input_tokens` excludes cache reads and writes (Anthropic's convention; OpenAI's is converted at
    the wire). `reasoning_tokens` is informative and already inside `output_tokens`.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    """True when the vendor's own count never arrived."""

    @property
    def prompt_tokens(self) -> int:
        """All input tokens, cached or not (OpenAI's `prompt_tokens`)."""
        return (
            self.input_tokens
            + self.cache_read_tokens
            + self.cache_write_5m_tokens
            + self.cache_write_1h_tokens
        )


class Counted(Protocol):
    """Whatever has tokens by price class."""

    @property
    def input_tokens(self) -> int:
        """Return those of the prompt that no cache held."""
        ...

    @property
    def output_tokens(self) -> int:
        """Return those of the answer."""
        ...

    @property
    def cache_read_tokens(self) -> int:
        """Return those read from a cache."""
        ...

    @property
    def cache_write_5m_tokens(self) -> int:
        """Return those written to a cache for five minutes."""
        ...

    @property
    def cache_write_1h_tokens(self) -> int:
        """Return those written to a cache for an hour."""
        ...


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """What one token of each class costs, in parts of a nano-USD: integers, whatever the price's digits."""

    parts: int
    """How many make one nano-USD; 1 for prices of up to three decimal places."""
    input: int
    output: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    dearest_input: int


class Price(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """USD per million tokens of one model from a day on; a class left out costs as much as input."""

    since: date
    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None

    @cached_property
    def rates(self) -> Rates:
        """The price as integers, worked out once: `Decimal` costs ten times as much with every request."""
        read = self.input if self.cache_read is None else self.cache_read
        write_5m = self.input if self.cache_write_5m is None else self.cache_write_5m
        write_1h = write_5m if self.cache_write_1h is None else self.cache_write_1h
        exact = [
            Fraction(usd) * _NANO_PER_USD_PER_MILLION
            for usd in (self.input, self.output, read, write_5m, write_1h)
        ]
        parts = lcm(*(rate.denominator for rate in exact))
        input_, output, cache_read, cache_write_5m, cache_write_1h = (int(rate * parts) for rate in exact)
        return Rates(
            parts=parts,
            input=input_,
            output=output,
            cache_read=cache_read,
            cache_write_5m=cache_write_5m,
            cache_write_1h=cache_write_1h,
            dearest_input=max(input_, cache_read, cache_write_5m, cache_write_1h),
        )


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """What one vendor model can take and what it costs, by date (newest first)."""

    name: str
    """`provider/model`, e.g. `zai/glm-4.5`."""
    context_window: int
    max_output_tokens: int
    images: bool = False
    tools: bool = True
    embeds: bool = False
    """The model turns text into vectors and answers nothing."""
    prices: tuple[Price, ...] = ()

    def price_on(self, day: date) -> Price | None:
        """Return the price in force on `day`, None before the first."""
        for price in self.prices:
            if price.since <= day:
                return price
        return None


class PriceTable(msgspec.Struct, frozen=True, kw_only=True):
    """All model cards under one revision (hash of the table's text)."""

    revision: str
    cards: Mapping[str, ModelCard]
    aliases: Mapping[str, str]

    def card(self, name: str) -> ModelCard | None:
        """Look `provider/model` up, following one alias; None when unknown (never a zero price)."""
        return self.cards.get(self.aliases.get(name, name))


def cost_nano(usage: Counted, price: Price) -> int:
    """Return what `usage` costs at `price` in nano-USD, rounded once, half to even."""
    rates = price.rates
    amount = (
        usage.input_tokens * rates.input
        + usage.output_tokens * rates.output
        + usage.cache_read_tokens * rates.cache_read
        + usage.cache_write_5m_tokens * rates.cache_write_5m
        + usage.cache_write_1h_tokens * rates.cache_write_1h
    )
    return amount if rates.parts == 1 else _half_even(amount, rates.parts)


def worst_case_nano(*, input_tokens: int, output_tokens: int, price: Price) -> int:
    """Return an upper bound in nano-USD: every input token at its dearest class, all output used."""
    rates = price.rates
    return -(-(input_tokens * rates.dearest_input + output_tokens * rates.output) // rates.parts)


def as_if_uncached(usage: Usage) -> Usage:
    """Return the same tokens with the cache classes counted as plain input.

    The baseline of a model that did not run has no cache of its own to read; pricing it so is the
    declared convention of the savings figures.
    """
    return replace(
        usage,
        input_tokens=usage.prompt_tokens,
        cache_read_tokens=0,
        cache_write_5m_tokens=0,
        cache_write_1h_tokens=0,
    )


def usd(nano: int) -> Decimal:
    """Return nano-USD as exact USD."""
    return Decimal(nano).scaleb(-9, _EXACT)


def nano(amount_usd: Decimal) -> int:
    """Return exact nano-USD; raise ValueError for what is not finite, too large or finer than a nano-USD."""
    if not amount_usd.is_finite():
        raise ValueError(f"`{amount_usd}` is not an amount of money; give a finite number of USD")
    if not -_MAX_USD <= amount_usd <= _MAX_USD:
        raise ValueError(f"`{amount_usd}` is more than the books can hold; give at most {_MAX_USD} USD")
    with localcontext(_EXACT):
        if amount_usd % _NANO_USD:
            raise ValueError(f"`{amount_usd}` is finer than a billionth of a dollar; round it")
        return int(amount_usd * NANO_PER_USD)


def _half_even(amount: int, parts: int) -> int:
    """Return `amount / parts` as the nearest whole number, the even one of two as near."""
    whole, rest = divmod(amount, parts)
    return whole + (2 * rest > parts or (2 * rest == parts and whole % 2 == 1))
