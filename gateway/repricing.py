"""What booked attempts would have cost at another price table, attempt by attempt. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from gateway.stores.base import AttemptRow, RequestRow
from policies.pricing import ModelCard, PriceTable, cost_nano, usd

UNKNOWN = "unknown"
"""The model of attempts that were booked before their price's name was."""


class RepricedLine(msgspec.Struct, frozen=True, kw_only=True):
    """One model's attempts, as booked and at the other table; exact USD, the difference signed."""

    model: str
    attempts: int
    booked_usd: str
    repriced_usd: str
    difference_usd: str
    unpriced: int
    """Attempts the other table has no price for on their day; they keep what was booked."""
    estimated: int


class Repriced(msgspec.Struct, frozen=True, kw_only=True):
    """A period at another price table."""

    booked_revisions: list[str]
    """The price tables that were in force, by revision."""
    revision: str
    lines: list[RepricedLine]
    total: RepricedLine
    interrupted_usd: str
    """Booked at their worst case for requests whose process died; there is no usage to price again."""


class _Sums(msgspec.Struct):
    attempts: int = 0
    booked: int = 0
    repriced: int = 0
    unpriced: int = 0
    estimated: int = 0


class Repricing(msgspec.Struct):
    """Takes the ledger a page at a time and adds up."""

    table: PriceTable
    own: Mapping[str, ModelCard] = msgspec.field(default_factory=dict)
    """Cards that go before the table's: prices written into the configuration."""
    _sums: defaultdict[str, _Sums] = msgspec.field(default_factory=lambda: defaultdict(_Sums))
    _revisions: set[str] = msgspec.field(default_factory=set)
    _interrupted: int = 0

    def add(self, requests: Sequence[RequestRow], attempts: Sequence[AttemptRow]) -> None:
        """Take requests with all their attempts; an attempt's price is that of its request's day."""
        days = {row.id: datetime.fromtimestamp(row.at_ms / 1000, UTC).date() for row in requests}
        self._revisions.update(row.price_revision for row in requests)
        self._interrupted += sum(row.cost_nano for row in requests if row.status == "interrupted")
        for row in attempts:
            sums = self._sums[row.card or UNKNOWN]
            card = self.own.get(row.card) or self.table.card(row.card)
            price = card.price_on(days[row.request_id]) if card else None
            sums.attempts += 1
            sums.booked += row.cost_nano
            sums.repriced += row.cost_nano if price is None else cost_nano(row, price)
            sums.unpriced += price is None
            sums.estimated += row.estimated

    def result(self) -> Repriced:
        """Return the sums so far."""
        total = _Sums()
        for sums in self._sums.values():
            for name in _Sums.__struct_fields__:
                setattr(total, name, getattr(total, name) + getattr(sums, name))
        return Repriced(
            booked_revisions=sorted(self._revisions),
            revision=self.table.revision,
            lines=[_line(model, self._sums[model]) for model in sorted(self._sums)],
            total=_line("total", total),
            interrupted_usd=f"{usd(self._interrupted):f}",
        )


def _line(model: str, sums: _Sums) -> RepricedLine:
    return RepricedLine(
        model=model,
        attempts=sums.attempts,
        booked_usd=f"{usd(sums.booked):f}",
        repriced_usd=f"{usd(sums.repriced):f}",
        difference_usd=f"{usd(sums.repriced - sums.booked):f}",
        unpriced=sums.unpriced,
        estimated=sums.estimated,
    )
