"""A vendor's invoice beside our books, by model and day, with the likely cause of each difference. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal

import msgspec
from msgspec.structs import replace

from gateway.invoices import Invoice, model_key
from gateway.stores.base import BookedLine, Books
from gateway.stores.business_days import find_zone
from policies.policy import Fleet
from policies.pricing import Price, PriceTable, Usage, as_if_uncached, cost_nano, usd

Cause = Literal[
    "rounding",
    "missing_rows",
    "not_invoiced",
    "cache_class",
    "price_revision",
    "time_zone_shift",
    "interrupted",
    "cancelled_streams",
    "estimated",
    "unpriced",
    "unexplained",
]
_CENT = 10_000_000
_ALIKE = 0.005
"""Two amounts this close, as a share, are taken for the same."""


class ReconciledLine(msgspec.Struct, frozen=True, kw_only=True):
    """One model on one day; exact USD, the difference is the invoice less the books."""

    day: str
    model: str
    invoiced_usd: str
    booked_usd: str
    difference_usd: str
    causes: list[Cause]
    """What fits, likeliest first; none where both agree to the cent."""
    attempts: int
    estimated_usd: str
    """The part booked from estimated usage; likewise of cancelled calls and of requests cut by a crash."""
    cancelled_usd: str
    interrupted_usd: str


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """A whole invoice."""

    since: str
    until: str
    """Days, both included."""
    time_zone: str
    invoiced_usd: str
    booked_usd: str
    difference_usd: str
    accuracy: float | None
    """1 less the sum of all differences' sizes as a share of the invoice."""
    lines: list[ReconciledLine]


async def reconcile_with(books: Books, invoice: Invoice, fleet: Fleet, *, time_zone: str) -> Reconciliation:
    """Return the comparison with the books, a day more on either side; raise InvalidRequest."""
    zone = find_zone(time_zone, param="tz")
    first, last = invoice.days[0] - timedelta(1), invoice.days[-1] + timedelta(2)
    since, until = (
        int(datetime(d.year, d.month, d.day, tzinfo=zone).timestamp() * 1000) for d in (first, last)
    )
    cards = {deployment.id: deployment.card.name for deployment in fleet.deployments.values()}
    booked = await books.booked(max(since, 0), until, time_zone, cards)
    return reconcile(invoice, booked, fleet.prices, time_zone=time_zone)


class _Day:
    """One model on one day."""

    def __init__(self, day: date, model: str, invoiced: int, booked: BookedLine | None) -> None:
        self.day, self.model, self.invoiced, self.booked = day, model, invoiced, booked

    @property
    def difference(self) -> int:
        return self.invoiced - (self.booked.cost_nano if self.booked else 0)


def reconcile(
    invoice: Invoice, booked: Sequence[BookedLine], table: PriceTable, *, time_zone: str
) -> Reconciliation:
    """Return the comparison; of the books only vendors that the invoice speaks of are looked at."""
    ours = _by_day(booked, table)
    vendors = _vendors(invoice, ours)
    span = {invoice.days[0] + timedelta(n) for n in range((invoice.days[-1] - invoice.days[0]).days + 1)}
    keys = set(invoice.amounts) | {
        key for key, line in ours.items() if key[0] in span and line.provider in vendors
    }
    days = {
        (day, model): _Day(day, model, _nano(invoice.amounts.get((day, model))), ours.get((day, model)))
        for day, model in sorted(keys)
    }
    lines = [_line(entry, days, table) for entry in days.values()]
    invoiced = sum(entry.invoiced for entry in days.values())
    apart = sum(abs(entry.difference) for entry in days.values())
    difference = sum(entry.difference for entry in days.values())
    return Reconciliation(
        since=invoice.days[0].isoformat(),
        until=invoice.days[-1].isoformat(),
        time_zone=time_zone,
        invoiced_usd=_money(invoiced),
        booked_usd=_money(invoiced - difference),
        difference_usd=_money(difference),
        accuracy=round(1 - apart / invoiced, 6) if invoiced > 0 else None,
        lines=lines,
    )


def _by_day(booked: Sequence[BookedLine], table: PriceTable) -> dict[tuple[date, str], BookedLine]:
    """Return the books by day and model key; a model's several names are added up."""
    found: dict[tuple[date, str], BookedLine] = {}
    for line in booked:
        name = table.aliases.get(line.card, line.card)
        key = (date.fromisoformat(line.day), model_key(name))
        known = found.get(key)
        found[key] = line if known is None else _added(known, line)
    return found


def _added(one: BookedLine, other: BookedLine) -> BookedLine:
    counts = {
        name: getattr(one, name) + getattr(other, name)
        for name in BookedLine.__struct_fields__
        if isinstance(getattr(one, name), int)
    }
    return replace(one, **counts)


def _vendors(invoice: Invoice, ours: Mapping[tuple[date, str], BookedLine]) -> set[str]:
    models = {model for _, model in invoice.amounts}
    return {line.provider for (_, model), line in ours.items() if model in models}


def _line(entry: _Day, days: Mapping[tuple[date, str], _Day], table: PriceTable) -> ReconciledLine:
    booked = entry.booked
    return ReconciledLine(
        day=entry.day.isoformat(),
        model=booked.card if booked else entry.model,
        invoiced_usd=_money(entry.invoiced),
        booked_usd=_money(booked.cost_nano if booked else 0),
        difference_usd=_money(entry.difference),
        causes=list(_causes(entry, days, table)),
        attempts=booked.attempts if booked else 0,
        estimated_usd=_money(booked.estimated_nano if booked else 0),
        cancelled_usd=_money(booked.cancelled_nano if booked else 0),
        interrupted_usd=_money(booked.interrupted_nano if booked else 0),
    )


def _causes(entry: _Day, days: Mapping[tuple[date, str], _Day], table: PriceTable) -> Iterator[Cause]:
    """Yield what may explain a difference, likeliest first."""
    difference, booked = entry.difference, entry.booked
    if abs(difference) < _CENT:
        if difference:
            yield "rounding"
        return
    found = list(_specific(entry, table)) if booked else []
    if _is_shifted(entry, days):
        found.insert(0, "time_zone_shift")
    if not found and booked is None:
        found.append("missing_rows")
    if not found and entry.invoiced == 0:
        found.append("not_invoiced")
    yield from found or ["missing_rows" if difference > 0 else "unexplained"]


def _specific(entry: _Day, table: PriceTable) -> Iterator[Cause]:
    """Yield the causes that the booked line itself makes likely."""
    booked = entry.booked
    if booked is None:
        return
    card = table.card(booked.card)
    price = card.price_on(entry.day) if card else None
    if card is None or price is None:
        yield "unpriced"
        return
    certain = booked.interrupted_nano
    if any(_alike(entry.invoiced, other + certain) for other in _other_classes(booked, price)):
        yield "cache_class"
    others = (other for other in card.prices if other != price)
    if any(_alike(entry.invoiced, cost_nano(_usage(booked), other) + certain) for other in others):
        yield "price_revision"
    for cause, amount in (
        ("interrupted", booked.interrupted_nano),
        ("cancelled_streams", booked.cancelled_nano),
        ("estimated", booked.estimated_nano),
    ):
        if amount and abs(entry.difference) <= amount * 2:
            yield cause  # type: ignore[misc]


def _other_classes(booked: BookedLine, price: Price) -> Iterator[int]:
    """Yield what the day would have cost with the cache counted otherwise."""
    usage = _usage(booked)
    if usage.prompt_tokens == usage.input_tokens:
        return
    writes = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
    yield cost_nano(as_if_uncached(usage), price)
    yield cost_nano(replace(usage, cache_write_5m_tokens=writes, cache_write_1h_tokens=0), price)
    yield cost_nano(replace(usage, cache_write_5m_tokens=0, cache_write_1h_tokens=writes), price)
    yield cost_nano(replace(usage, cache_read_tokens=0), price)
    yield cost_nano(replace(usage, input_tokens=usage.prompt_tokens), price)


def _is_shifted(entry: _Day, days: Mapping[tuple[date, str], _Day]) -> bool:
    """Tell whether a neighbouring day has what this one lacks."""
    for step in (-1, 1):
        neighbour = days.get((entry.day + timedelta(step), entry.model))
        if neighbour and neighbour.difference * entry.difference < 0:
            rest = abs(neighbour.difference + entry.difference)
            if rest <= max(_CENT, abs(entry.difference) // 10):
                return True
    return False


def _alike(one: int, other: int) -> bool:
    return abs(one - other) <= max(_CENT // 10, int(_ALIKE * abs(one)))


def _usage(booked: BookedLine) -> Usage:
    return Usage(
        input_tokens=booked.input_tokens,
        output_tokens=booked.output_tokens,
        cache_read_tokens=booked.cache_read_tokens,
        cache_write_5m_tokens=booked.cache_write_5m_tokens,
        cache_write_1h_tokens=booked.cache_write_1h_tokens,
    )


def _nano(amount: Decimal | None) -> int:
    return 0 if amount is None else int(amount.scaleb(9).to_integral_value(ROUND_HALF_EVEN))


def _money(nano: int) -> str:
    return f"{usd(nano):f}"
