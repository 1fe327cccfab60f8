from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from gateway.invoices import Invoice
from gateway.reconciliation import Cause, reconcile
from gateway.stores.base import BookedLine
from policies.prices import load_prices

TABLE = load_prices("""\
currency: USD
models:
  anthropic/claude-opus-4-1:
    also: [anthropic/claude-opus-4-1-20250805]
    context_window: 1
    max_output_tokens: 1
    prices:
      - {since: 2026-08-01, input: "10", output: "50", cache_read: "1", cache_write_5m: "12.5", cache_write_1h: "20"}
      - {since: 2025-08-05, input: "15", output: "75", cache_read: "1.5", cache_write_5m: "18.75", cache_write_1h: "30"}
""")
DAY = date(2026, 8, 4)
PLAIN = BookedLine(
    day="2026-08-04", card="anthropic/claude-opus-4-1-20250805", provider="anthropic", attempts=3,
    input_tokens=100_000, output_tokens=10_000, cost_nano=1_500_000_000,
)  # fmt: skip
CACHED = BookedLine(
    day="2026-08-04", card="anthropic/claude-opus-4-1", provider="anthropic", attempts=3, input_tokens=1000,
    cache_read_tokens=1_000_000, cache_write_1h_tokens=100_000, cost_nano=3_010_000_000,
)  # fmt: skip


def with_money(line: BookedLine, **more: int) -> BookedLine:
    """Return the line with other figures."""
    values = {name: getattr(line, name) for name in BookedLine.__struct_fields__}
    return BookedLine(**values | more)


@pytest.mark.parametrize(
    ("booked", "invoiced", "causes"),
    [
        (PLAIN, "1.5", []),
        (PLAIN, "1.5000001", ["rounding"]),
        (None, "1.5", ["missing_rows"]),
        (PLAIN, "3", ["missing_rows"]),
        (PLAIN, "0", ["not_invoiced"]),
        (PLAIN, "2.25", ["price_revision"]),
        (PLAIN, "1.4", ["unexplained"]),
        (CACHED, "11.01", ["cache_class"]),  # reads charged as fresh input
        (CACHED, "2.26", ["cache_class"]),  # one-hour writes charged as five-minute ones
        (with_money(PLAIN, cost_nano=1_900_000_000, interrupted_nano=400_000_000), "1.5", ["interrupted"]),
        (with_money(PLAIN, cancelled_nano=300_000_000), "1.7", ["cancelled_streams"]),
        (with_money(PLAIN, estimated_nano=300_000_000), "1.3", ["estimated"]),
        (with_money(PLAIN, card="anthropic/claude-x"), "9", ["missing_rows"]),
    ],
)
def test_causes(booked: BookedLine | None, invoiced: str, causes: list[Cause]) -> None:
    """Each kind of difference is told from the others by its amount."""
    invoice = Invoice(amounts={(DAY, "claude-opus-4-1"): Decimal(invoiced)}, days=(DAY,))
    found = reconcile(invoice, [booked] if booked else [], TABLE, time_zone="UTC")
    assert found.lines[0].causes == causes
    assert Decimal(found.difference_usd) == sum(Decimal(line.difference_usd) for line in found.lines)


def test_shifted_days() -> None:
    """What one day lacks and the next has too much of was filed in another time zone."""
    days = (DAY, date(2026, 8, 5))
    amounts = {(days[0], "claude-opus-4-1"): Decimal(1), (days[1], "claude-opus-4-1"): Decimal(2)}
    booked = [PLAIN, with_money(PLAIN, day="2026-08-05")]  # type: ignore[arg-type]
    found = reconcile(Invoice(amounts=amounts, days=days), booked, TABLE, time_zone="UTC")
    assert [line.causes[0] for line in found.lines] == ["time_zone_shift"] * 2
    assert (Decimal(found.difference_usd), found.accuracy) == (0, 0.666667)


def test_other_vendors_are_left_out() -> None:
    """An invoice says nothing of vendors it does not name; a model of its vendor that it lacks is shown."""
    others = [with_money(PLAIN, card="zai/glm-4.5", provider="zai"), with_money(PLAIN, card="anthropic/claude-haiku-4-5")]  # type: ignore[arg-type]  # fmt: skip
    invoice = Invoice(amounts={(DAY, "claude-opus-4-1"): Decimal("1.5")}, days=(DAY,))
    found = reconcile(invoice, [PLAIN, *others], TABLE, time_zone="UTC")
    assert [(line.model, line.causes) for line in found.lines] == [
        ("anthropic/claude-haiku-4-5", ["unpriced"]),
        ("anthropic/claude-opus-4-1-20250805", []),
    ]
