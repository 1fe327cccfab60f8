"""The price table's text: YAML in, a PriceTable out, or a complaint with its line."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import msgspec

from policies.pricing import ModelCard, Price, PriceTable
from policies.yaml_lines import Document, DocumentError, convert, read

_MAX_USD_PER_MILLION = Decimal(100_000)
_AMOUNT = re.compile(r"[0-9]{1,6}(\.[0-9]{1,9})?")


class PriceDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """USD per million tokens, written as quoted decimals, in force from `since` (a day, UTC)."""

    since: str
    input: str
    output: str | None = None
    """Left out by models that only embed."""
    cache_read: str | None = None
    cache_write_5m: str | None = None
    cache_write_1h: str | None = None


class CardDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model."""

    context_window: int
    prices: list[PriceDoc]
    max_output_tokens: int = 0
    images: bool = False
    tools: bool = True
    embeds: bool = False
    """The model turns text into vectors: it has neither an answer's length nor its price."""
    also: list[str] = []
    """Other `provider/model` names of the same model."""


class PricesDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole table by `provider/model`."""

    currency: str
    models: dict[str, CardDoc]


def load_prices(text: str) -> PriceTable:
    """Return the table; raise DocumentError naming the line for anything that is not a sane price."""
    document = read(text)
    doc = convert(document, PricesDoc)
    if doc.currency != "USD":
        raise DocumentError(
            f"currency `{doc.currency}` is not supported; give USD", document.line("$.currency")
        )
    cards = {name: _card(document, name, card) for name, card in doc.models.items()}
    aliases: dict[str, str] = {}
    for name, card in doc.models.items():
        for other in card.also:
            if other in cards or other in aliases:
                line = document.line(f"$.models.{name}.also")
                raise DocumentError(f"`{other}` is named twice; keep one", line)
            aliases[other] = name
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return PriceTable(revision=digest, cards=cards, aliases=aliases)


def _card(document: Document, name: str, doc: CardDoc) -> ModelCard:
    path = f"$.models.{name}"
    if doc.context_window <= 0 or (doc.max_output_tokens <= 0) != doc.embeds:
        message = f"`{name}`: token limits must be positive; only a model that `embeds` has no output"
        raise DocumentError(message, document.line(path))
    if any((price.output is None) != doc.embeds for price in doc.prices):
        message = f"`{name}`: give an output price, unless the model `embeds`"
        raise DocumentError(message, document.line(path))
    prices = [_price(document, f"{path}.prices[{i}]", price) for i, price in enumerate(doc.prices)]
    if not prices:
        raise DocumentError(f"`{name}` has no price; an unpriced model cannot be used", document.line(path))
    days = [price.since for price in prices]
    if days != sorted(set(days), reverse=True):
        raise DocumentError(
            f"`{name}`: order prices by `since`, newest first, one a day", document.line(path)
        )
    return ModelCard(
        name=name,
        context_window=doc.context_window,
        max_output_tokens=doc.max_output_tokens,
        images=doc.images,
        tools=doc.tools,
        embeds=doc.embeds,
        prices=tuple(prices),
    )


def _price(document: Document, path: str, doc: PriceDoc) -> Price:
    return Price(
        since=_day(document, f"{path}.since", doc.since),
        input=_amount(document, f"{path}.input", doc.input),
        output=_optional(document, f"{path}.output", doc.output) or Decimal(0),
        cache_read=_optional(document, f"{path}.cache_read", doc.cache_read),
        cache_write_5m=_optional(document, f"{path}.cache_write_5m", doc.cache_write_5m),
        cache_write_1h=_optional(document, f"{path}.cache_write_1h", doc.cache_write_1h),
    )


def _day(document: Document, path: str, text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise DocumentError(f"`{text}` is not a day; write YYYY-MM-DD", document.line(path))
    return day


def _optional(document: Document, path: str, text: str | None) -> Decimal | None:
    return None if text is None else _amount(document, path, text)


def _amount(document: Document, path: str, text: str) -> Decimal:
    if not _AMOUNT.fullmatch(text) or Decimal(text) > _MAX_USD_PER_MILLION:
        message = f"`{text}` is not a price; give USD per million tokens, 0 to {_MAX_USD_PER_MILLION}"
        raise DocumentError(message, document.line(path))
    return Decimal(text)


def overlay(tables: Sequence[PriceTable]) -> PriceTable:
    """Return all tables as one, later ones over earlier ones, under one revision.

    The newest table that knows a name, as a card or as an alias, says what it means.
    """
    if len(tables) == 1:
        return tables[0]
    digest = hashlib.sha256("+".join(table.revision for table in tables).encode()).hexdigest()[:12]
    cards: dict[str, ModelCard] = {}
    aliases: dict[str, str] = {}
    for table in tables:
        cards |= table.cards
        aliases = {name: aim for name, aim in aliases.items() if name not in table.cards}
        aliases |= table.aliases
    return PriceTable(revision=digest, cards=cards, aliases=aliases)
