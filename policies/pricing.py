"""Money: the dated price table and the only arithmetic that turns usage into cost.

Amounts are integers of nano-USD (1e-9 USD), so sums are exact in Python, SQL and Redis alike. Prices
are `Decimal` USD per million tokens; a cost is rounded once, per attempt, half to even.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Context, Decimal, localcontext

import msgspec
from msgspec.structs import replace

NANO_PER_USD = 1_000_000_000
_NANO_PER_USD_PER_MILLION = Decimal(1000)
_NANO_USD = Decimal("1e-9")
_ZERO = Decimal(0)
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


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """USD per million tokens of one model from a day on; a class left out costs as much as input."""

    since: date
    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None


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


def cost_nano(usage: Usage, price: Price) -> int:
    """Return what `usage` costs at `price` in nano-USD, rounded once, half to even."""
    with localcontext(_EXACT):
        amount = _usd_per_million(usage, price) * _NANO_PER_USD_PER_MILLION
        return int(amount.to_integral_value(ROUND_HALF_EVEN))


def worst_case_nano(*, input_tokens: int, output_tokens: int, price: Price) -> int:
    """Return an upper bound in nano-USD: every input token at its dearest class, all output used."""
    classes = (price.cache_read, price.cache_write_5m, price.cache_write_1h)
    dearest = max(price.input, *(amount or _ZERO for amount in classes))
    with localcontext(_EXACT):
        amount = (input_tokens * dearest + output_tokens * price.output) * _NANO_PER_USD_PER_MILLION
        return int(amount.to_integral_value(ROUND_CEILING))


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


def _usd_per_million(usage: Usage, price: Price) -> Decimal:
    read = price.input if price.cache_read is None else price.cache_read
    write_5m = price.input if price.cache_write_5m is None else price.cache_write_5m
    write_1h = write_5m if price.cache_write_1h is None else price.cache_write_1h
    return (
        usage.input_tokens * price.input
        + usage.output_tokens * price.output
        + usage.cache_read_tokens * read
        + usage.cache_write_5m_tokens * write_5m
        + usage.cache_write_1h_tokens * write_1h
    )
