from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

import policies
from policies.prices import load_prices, overlay
from policies.pricing import PriceTable
from policies.yaml_lines import DocumentError

SHIPPED = Path(policies.__file__).parent / "packs" / "prices.yaml"
ONE = """\
currency: USD
models:
  zai/glm-4.5:
    also: [zai/glm]
    context_window: 131072
    max_output_tokens: 98304
    prices:
      - {since: 2025-08-01, input: "0.6", output: "2.2", cache_read: "0.11"}
      - {since: 2025-07-01, input: "0.7", output: "2.3"}
  anthropic/claude-opus-4-1:
    context_window: 200000
    max_output_tokens: 32000
    images: true
    prices: [{since: 2025-08-05, input: "15", output: "75", cache_write_5m: "18.75", cache_write_1h: "30"}]
"""


def table(name: str, also: str, amount: str) -> PriceTable:
    """Return a table of one card."""
    return load_prices(
        f"currency: USD\nmodels:\n  {name}:\n    also: [{also}]\n    context_window: 1\n"
        f'    max_output_tokens: 1\n    prices: [{{since: 2025-01-01, input: "{amount}", output: "1"}}]\n'
    )


def input_price(prices: PriceTable, name: str) -> Decimal | None:
    """Return what a million input tokens cost today, None for an unknown name."""
    card = prices.card(name)
    return card.prices[0].input if card else None


def test_loads() -> None:
    """A sane table comes out as cards, dated prices and aliases."""
    prices = load_prices(ONE)
    glm, opus = prices.cards["zai/glm-4.5"], prices.cards["anthropic/claude-opus-4-1"]

    assert prices.card("zai/glm") is glm
    assert [(p.since, p.input, p.cache_read) for p in glm.prices] == [
        (date(2025, 8, 1), Decimal("0.6"), Decimal("0.11")),
        (date(2025, 7, 1), Decimal("0.7"), None),
    ]
    assert (glm.images, glm.tools, opus.images) == (False, True, True)
    assert (opus.prices[0].cache_write_5m, opus.prices[0].cache_write_1h) == (Decimal("18.75"), Decimal(30))


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ("currency: USD", "currency: EUR", 1, "currency `EUR` is not supported; give USD"),
        ("currency: USD\n", "", 1, "`$` needs `currency`; add it"),
        ('"0.6"', "0.6", 8, "`$.models.zai/glm-4.5.prices[0].input` must be text, not a number; put it in"),
        ('"2.3"', '"-1"', 9, "`-1` is not a price"),
        ('"2.3"', '"NaN"', 9, "`NaN` is not a price"),
        ('"2.3"', '"1_0"', 9, "`1_0` is not a price"),
        ('"2.3"', '"100000.1"', 9, "0 to 100000"),
        ('"75"', '"cheap"', 14, "`cheap` is not a price"),
        ('"30"', '"1e9"', 14, "`1e9` is not a price"),
        ("2025-07-01", "July", 9, "`July` is not a day; write YYYY-MM-DD"),
        ("2025-07-01", '"20250701"', 9, "is not a day"),
        ("2025-07-01", "2025-09-01", 3, "order prices by `since`, newest first"),
        ("2025-07-01", "2025-08-01", 3, "one a day"),
        ("context_window: 200000", "context_window: 0", 10, "token limits must be positive"),
        ("images: true", "image: true", 13, "has no setting `image`; did you mean `images`?"),
        ("[zai/glm]", "[anthropic/claude-opus-4-1]", 4, "`anthropic/claude-opus-4-1` is named twice"),
        ("[zai/glm]", "[zai/glm, zai/glm]", 4, "`zai/glm` is named twice; keep one"),
    ],
)
def test_errors_name_the_line(old: str, new: str, line: int, problem: str) -> None:
    """Whatever is wrong with a price, the complaint says where and what to do."""
    assert old in ONE
    with pytest.raises(DocumentError) as error:
        load_prices(ONE.replace(old, new, 1))

    assert problem in error.value.message
    assert error.value.line == line


def test_no_price() -> None:
    """A model without a price is refused: silence is never zero."""
    with pytest.raises(DocumentError, match="an unpriced model cannot be used"):
        load_prices("currency: USD\nmodels: {a/b: {context_window: 1, max_output_tokens: 1, prices: []}}")


def test_revision() -> None:
    """The revision follows the text."""
    assert load_prices(ONE).revision == load_prices(ONE).revision
    assert load_prices(ONE).revision != load_prices(ONE + "\n").revision


def test_overlay() -> None:
    """A later table's card replaces an earlier one's, and the revision tells."""
    first, second = table("a/x", "a/y", "1"), table("a/x", "a/z", "2")
    both = overlay([first, second])

    assert [input_price(both, name) for name in ("a/x", "a/y", "a/z", "a/q")] == [2, 2, 2, None]
    assert overlay([first]) is first
    assert both.revision not in {first.revision, second.revision, overlay([second, first]).revision}


def test_overlay_alias_over_card() -> None:
    """A negotiated model that takes over an earlier name sets that name's price, and the reverse."""
    listed, own = table("a/x", "a/y", "9"), table("own/deal", "a/x", "2")

    assert input_price(overlay([listed, own]), "a/x") == 2
    assert input_price(overlay([own, listed]), "a/x") == 9


def test_shipped_table() -> None:
    """The shipped table loads, and the two house models cost what their vendors say."""
    prices = load_prices(SHIPPED.read_text(encoding="utf-8"))
    opus = prices.card("anthropic/claude-opus-4-1-20250805")

    assert input_price(prices, "zai/glm-4.5") == Decimal("0.6")
    assert opus is not None
    assert (opus.prices[0].input, opus.prices[0].output, opus.max_output_tokens) == (15, 75, 32_000)
