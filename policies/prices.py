"""The price table's text: YAML in, a PriceTable out, or a complaint with its line."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation

import msgspec

from policies.pricing import ModelCard, Price, PriceTable
from policies.yaml_lines import Document, DocumentError, convert, read

_MAX_USD_PER_MILLION = Decimal(100_000)


class PriceDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """USD per million tokens, written as quoted decimals, in force from `since` (a day, UTC)."""

    since: str
    input: str
    output: str
    cache_read: str | None = None
    cache_write_5m: str | None = None
    cache_write_1h: str | None = None


class CardDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model."""

    context_window: int
    max_output_tokens: int
    prices: list[PriceDoc]
    images: bool = False
    tools: bool = True
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
                raise DocumentError(
                    f"`{other}` is named twice; keep one", document.line(f"$.models.{name}.also")
                )
            aliases[other] = name
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return PriceTable(revision=digest, cards=cards, aliases=aliases)


def _card(document: Document, name: str, doc: CardDoc) -> ModelCard:
    path = f"$.models.{name}"
    if doc.context_window <= 0 or doc.max_output_tokens <= 0:
        raise DocumentError(f"`{name}`: token limits must be positive", document.line(path))
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
        prices=tuple(prices),
    )


def _price(document: Document, path: str, doc: PriceDoc) -> Price:
    try:
        since = date.fromisoformat(doc.since)
    except ValueError:
        raise DocumentError(f"`{doc.since}` is not a day; write YYYY-MM-DD", document.line(path)) from None
    return Price(
        since=since,
        input=_amount(document, path, doc.input),
        output=_amount(document, path, doc.output),
        cache_read=_optional(document, path, doc.cache_read),
        cache_write_5m=_optional(document, path, doc.cache_write_5m),
        cache_write_1h=_optional(document, path, doc.cache_write_1h),
    )


def _optional(document: Document, path: str, text: str | None) -> Decimal | None:
    return None if text is None else _amount(document, path, text)


def _amount(document: Document, path: str, text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0 or amount > _MAX_USD_PER_MILLION:
        message = f"`{text}` is not a price; give USD per million tokens, 0 to {_MAX_USD_PER_MILLION}"
        raise DocumentError(message, document.line(path))
    return amount


def overlay(tables: Sequence[PriceTable]) -> PriceTable:
    """Return all tables as one, later ones over earlier ones, under one revision."""
    if len(tables) == 1:
        return tables[0]
    digest = hashlib.sha256("+".join(table.revision for table in tables).encode()).hexdigest()[:12]
    cards = {name: card for table in tables for name, card in table.cards.items()}
    aliases = {name: aim for table in tables for name, aim in table.aliases.items() if name not in cards}
    return PriceTable(revision=digest, cards=cards, aliases=aliases)
