from __future__ import annotations

from datetime import date
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from policy_samples import GLM, GLM_PRICE, OPUS, OPUS_PRICE, make_fleet

from policies.pricing import (
    ModelCard,
    Price,
    PriceTable,
    Usage,
    as_if_uncached,
    cost_nano,
    nano,
    usd,
    worst_case_nano,
)

COUNTS = st.integers(0, 10_000_000)
AMOUNTS = st.decimals("0", "100000", places=9) | st.decimals("0", "100000", places=4)
PRICES = st.builds(
    Price,
    since=st.just(date(2025, 1, 1)),
    input=AMOUNTS,
    output=AMOUNTS,
    cache_read=st.none() | AMOUNTS,
    cache_write_5m=st.none() | AMOUNTS,
    cache_write_1h=st.none() | AMOUNTS,
)
USAGES = st.builds(
    Usage,
    input_tokens=COUNTS,
    output_tokens=COUNTS,
    cache_read_tokens=COUNTS,
    cache_write_5m_tokens=COUNTS,
    cache_write_1h_tokens=COUNTS,
)


@pytest.mark.parametrize(
    ("price", "usage", "expected"),
    [
        (OPUS_PRICE, Usage(input_tokens=1), 15_000),
        (OPUS_PRICE, Usage(output_tokens=1), 75_000),
        (OPUS_PRICE, Usage(cache_read_tokens=1), 1_500),
        (OPUS_PRICE, Usage(cache_write_5m_tokens=1), 18_750),
        (OPUS_PRICE, Usage(cache_write_1h_tokens=1), 30_000),
        (OPUS_PRICE, Usage(output_tokens=10, reasoning_tokens=9), 750_000),
        (
            OPUS_PRICE,
            Usage(
                input_tokens=1_000,
                output_tokens=500,
                cache_read_tokens=10_000,
                cache_write_5m_tokens=2_000,
                cache_write_1h_tokens=1_000,
            ),
            135_000_000,
        ),
        (GLM_PRICE, Usage(input_tokens=1_234, output_tokens=567, cache_read_tokens=89), 1_997_590),
        (GLM_PRICE, Usage(cache_write_5m_tokens=10, cache_write_1h_tokens=10), 12_000),
        (GLM_PRICE, Usage(), 0),
    ],
)
def test_cost(price: Price, usage: Usage, expected: int) -> None:
    """Every class of tokens costs its own price, exactly."""
    assert cost_nano(usage, price) == expected


def test_left_out_classes() -> None:
    """Reads and 5-minute writes cost as input, 1-hour writes as 5-minute ones."""
    price = replace(OPUS_PRICE, cache_read=None, cache_write_1h=None)

    assert cost_nano(Usage(cache_read_tokens=2), price) == 30_000
    assert cost_nano(Usage(cache_write_1h_tokens=2), price) == 37_500


@pytest.mark.parametrize(("tokens", "expected"), [(1, 0), (3, 2), (5, 2), (7, 4)])
def test_half_even(tokens: int, expected: int) -> None:
    """Half a nano-USD rounds to the even neighbour."""
    price = Price(since=date(2025, 1, 1), input=Decimal("0.0005"), output=Decimal(0))

    assert cost_nano(Usage(input_tokens=tokens), price) == expected


def test_rounded_once() -> None:
    """Two halves of different classes make a whole: the sum is rounded, not its parts."""
    price = Price(since=date(2025, 1, 1), input=Decimal("0.0005"), output=Decimal("0.0005"))

    assert cost_nano(Usage(input_tokens=1, output_tokens=1), price) == 1


def test_foreign_decimal_context() -> None:
    """A host program's decimal context changes no amount."""
    usage = Usage(input_tokens=1_234_567, output_tokens=7_654_321)
    expected = cost_nano(usage, OPUS_PRICE)

    with localcontext() as context:
        context.prec = 3
        assert cost_nano(usage, OPUS_PRICE) == expected
        assert nano(Decimal("1.234567891")) == 1_234_567_891
        assert str(usd(1_234_567_891)) == "1.234567891"


@given(price=PRICES, usage=USAGES)
def test_cost_is_decimal(price: Price, usage: Usage) -> None:
    """Whole numbers give what decimal arithmetic gives, to the nano-USD, in cost and in worst case."""
    read = price.input if price.cache_read is None else price.cache_read
    write_5m = price.input if price.cache_write_5m is None else price.cache_write_5m
    write_1h = write_5m if price.cache_write_1h is None else price.cache_write_1h
    dearest = max(price.input, read, write_5m, write_1h)
    with localcontext() as context:
        context.prec = 100
        input_usd = (
            usage.input_tokens * price.input
            + usage.cache_read_tokens * read
            + usage.cache_write_5m_tokens * write_5m
            + usage.cache_write_1h_tokens * write_1h
        )
        output_usd = usage.output_tokens * price.output
        cost = ((input_usd + output_usd) * 1000).to_integral_value(ROUND_HALF_EVEN)
        worst = ((usage.input_tokens * dearest + output_usd) * 1000).to_integral_value(ROUND_CEILING)

    assert cost_nano(usage, price) == cost
    tokens = usage.input_tokens
    assert worst_case_nano(input_tokens=tokens, output_tokens=usage.output_tokens, price=price) == worst


@given(price=PRICES, usage=USAGES, slack=st.tuples(COUNTS, COUNTS))
def test_worst_case_bounds_cost(price: Price, usage: Usage, slack: tuple[int, int]) -> None:
    """No usage within the promised tokens costs more than what was reserved for it."""
    worst = worst_case_nano(
        input_tokens=usage.prompt_tokens + slack[0],
        output_tokens=usage.output_tokens + slack[1],
        price=price,
    )

    assert worst >= cost_nano(usage, price)


@given(st.integers(-(10**18), 10**18))
def test_usd_round_trip(amount: int) -> None:
    """Nano-USD survive the way to USD and back."""
    assert nano(usd(amount)) == amount


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("NaN", "finite"),
        ("-Infinity", "finite"),
        ("0.0000000001", "finer"),
        ("1.00000000000000000000000000000000001", "finer"),
        ("1e999999", "at most"),
        ("-9000000000.01", "at most"),
    ],
)
def test_nano_refuses(text: str, problem: str) -> None:
    """What cannot be kept exactly in 64 bits is refused, not rounded."""
    with pytest.raises(ValueError, match=problem):
        nano(Decimal(text))


def test_uncached_tokens() -> None:
    """The baseline's view counts every prompt token as plain input and keeps the rest."""
    usage = Usage(
        input_tokens=1, cache_read_tokens=2, cache_write_5m_tokens=3, cache_write_1h_tokens=4, output_tokens=5
    )

    assert as_if_uncached(usage) == Usage(input_tokens=10, output_tokens=5)
    assert usage.prompt_tokens == 10


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2025, 1, 1), "old"),
        (date(2025, 5, 31), "old"),
        (date(2025, 6, 1), "new"),
        (date(2024, 12, 31), None),
    ],
)
def test_price_in_force(day: date, expected: str | None) -> None:
    """The newest price that has begun is in force; before the first there is none."""
    new = replace(GLM_PRICE, since=date(2025, 6, 1))
    old = replace(GLM_PRICE, since=date(2025, 1, 1))
    card = ModelCard(name="zai/glm-4.5", context_window=1, max_output_tokens=1, prices=(new, old))

    assert card.price_on(day) is {"new": new, "old": old, None: None}[expected]


def test_card_by_alias() -> None:
    """An alias leads to its card, an unknown name to none."""
    card = ModelCard(name="zai/glm-4.5", context_window=1, max_output_tokens=1)
    table = PriceTable(revision="1", cards={card.name: card}, aliases={"zai/glm": card.name})

    assert table.card("zai/glm") is card
    assert table.card("zai/glm-4.5") is card
    assert table.card("zai/glm-5") is None


def test_prices_of_a_day() -> None:
    """A fleet tells each day's prices, whichever day it was asked about before."""
    later = replace(GLM_PRICE, since=date(2026, 1, 1), input=Decimal(1))
    card = replace(GLM.card, prices=(later, GLM_PRICE))
    fleet = make_fleet(base=(replace(GLM, card=card),))
    days = {date(2025, 8, 5): GLM_PRICE, date(2026, 1, 1): later, date(2025, 8, 4): GLM_PRICE}

    for day, price in [*days.items(), *days.items()]:
        assert fleet.prices_on(day) == {"glm": price, "opus": OPUS.card.price_on(day)}
    assert fleet.prices_on(date(2025, 8, 4))["opus"] is None
