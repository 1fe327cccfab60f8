from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gateway.repricing import Repricing
from gateway.stores.base import AttemptRow, RequestRow
from policies.prices import load_prices
from policies.pricing import Price, Usage, cost_nano

TABLE = load_prices("""\
currency: USD
models:
  zai/glm-4.5:
    context_window: 1
    max_output_tokens: 1
    prices:
      - {since: 2026-02-01, input: "0.3", output: "1.1"}
      - {since: 2025-07-28, input: "0.6", output: "2.2"}
""")
OLD = Price(since=date(2025, 7, 28), input=Decimal("0.6"), output=Decimal("2.2"))
NEW = Price(since=date(2026, 2, 1), input=Decimal("0.3"), output=Decimal("1.1"))


def ledger(day: date, usage: Usage, cost: int, card: str = "zai/glm-4.5") -> tuple[RequestRow, AttemptRow]:
    """Return a request of a day's last second and its attempt, which ended on the next."""
    at_ms = int(datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=UTC).timestamp() * 1000)
    request = RequestRow(
        id="r", at_ms=at_ms, team_id="t", key_id="k", dialect="chat", client_model="", stream=False,
        status="ok", http_status=200, tier="base", ground="none", cost_nano=cost, price_revision="old",
    )  # fmt: skip
    attempt = AttemptRow(
        id="r.0", request_id="r", at_ms=at_ms + 5000, deployment="d", provider="zai", model="glm", tier="base",
        outcome="ok", input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, cost_nano=cost,
        card=card,
    )  # fmt: skip
    return request, attempt


@given(
    st.dates(date(2025, 8, 1), date(2026, 7, 1)),
    st.builds(Usage, input_tokens=st.integers(0, 10**6), output_tokens=st.integers(0, 10**6)),
)
def test_same_table_same_cost(day: date, usage: Usage) -> None:
    """A request is priced as on its own day: at the table it was booked by, nothing differs."""
    cost = cost_nano(usage, NEW if day >= NEW.since else OLD)
    request, attempt = ledger(day, usage, cost)
    repricing = Repricing(TABLE)
    repricing.add([request], [attempt])
    total = repricing.result().total
    assert (Decimal(total.difference_usd), total.unpriced, total.attempts) == (0, 0, 1)


def test_other_table() -> None:
    """A cheaper table says what would have been saved; what it cannot price keeps what was booked."""
    usage = Usage(input_tokens=1_000_000)
    repricing = Repricing(TABLE)
    for day, cost, card in ((date(2026, 3, 1), 600_000_000, "zai/glm-4.5"), (date(2025, 1, 1), 7, "zai/glm-4.5"), (date(2026, 3, 1), 9, "")):  # fmt: skip
        request, attempt = ledger(day, usage, cost, card)
        repricing.add([request], [attempt])
    result = repricing.result()
    assert [(line.model, line.difference_usd, line.unpriced) for line in result.lines] == [
        ("unknown", "0.000000000", 1), ("zai/glm-4.5", "-0.300000000", 1),
    ]  # fmt: skip
    assert result.booked_revisions == ["old"]
