from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from anthropic_samples import bridge, chat, sse, start, stopped

from gateway.wire.anthropic_types import CacheCreation, OutputDetails, WireUsage
from gateway.wire.anthropic_usage import chat_usage, read_usage
from policies.pricing import Price, Usage, cost_nano


def price(tokens_in: str, out: str) -> Price:
    """Return Anthropic's price list for an input and output price: reads 0.1x, writes 1.25x and 2x."""
    paid = Decimal(tokens_in)
    return Price(
        since=date(2025, 1, 1),
        input=paid,
        output=Decimal(out),
        cache_read=paid / 10,
        cache_write_5m=paid * Decimal("1.25"),
        cache_write_1h=paid * 2,
    )


SONNET = price("3", "15")
HAIKU = price("0.8", "4")


@pytest.mark.parametrize(
    ("counted", "paid", "nano"),
    [
        (WireUsage(3, 550, 0, 12_304), SONNET, 54_399_000),  # writes were charged twice: litellm #9812
        (WireUsage(4, 23, 2_455, 0), HAIKU, 291_600),  # reads were charged in full: litellm #11789
        (WireUsage(15, 47, 0, 4_803, CacheCreation(0, 4_803)), SONNET, 29_568_000),  # 1 h at 5 min: #31724
        (WireUsage(3, 0, 0, 5_424, CacheCreation(0, 5_424)), SONNET, 32_553_000),
        (WireUsage(0, 0, 0, 150_000, CacheCreation(100_000, 50_000)), SONNET, 675_000_000),
        (WireUsage(0, 0, 0, 150_000, CacheCreation(None, 50_000)), SONNET, 675_000_000),
    ],
)
def test_cents_match(counted: WireUsage, paid: Price, nano: int) -> None:
    """Usage objects that others billed wrongly cost what the vendor's invoice says."""
    assert cost_nano(read_usage(counted), paid) == nano


def test_lifetimes_survive_the_last_count() -> None:
    """Only `message_start` splits cache writes by lifetime; the last count must not undo that."""
    one = bridge().relay(chat(stream=True))
    cache = {"cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 4_803}}

    one.feed(
        sse(start(cache_creation_input_tokens=4_803, **cache), stopped(cache_creation_input_tokens=4_803))
    )

    assert one.usage == Usage(input_tokens=10, output_tokens=20, cache_write_1h_tokens=4_803)


def test_counts_are_not_added_up() -> None:
    """A vendor that reports usage on every chunk is counted once, by its newest word."""
    counts = (WireUsage(10, 1), WireUsage(10, 7), WireUsage(None, 20, None, None))

    assert read_usage(*counts) == Usage(input_tokens=10, output_tokens=20)


def test_truth_at_the_end() -> None:
    """Zeros in `message_start` give way to the last count."""
    assert read_usage(WireUsage(0, 0), WireUsage(14, 9, 64)) == Usage(
        input_tokens=14, output_tokens=9, cache_read_tokens=64
    )


def test_openai_shape() -> None:
    """OpenAI's prompt tokens include what was read from and written to the cache."""
    used = read_usage(WireUsage(10, 8, 100, 30, CacheCreation(10, 20), OutputDetails(6)))

    shown = chat_usage(used)

    assert (shown.prompt_tokens, shown.completion_tokens, shown.total_tokens) == (140, 8, 148)
    assert shown.prompt_tokens_details.cached_tokens == 100
    assert shown.prompt_tokens_details.cache_creation_tokens == 30
    assert shown.prompt_tokens_details.cache_write_tokens == 30
    assert shown.completion_tokens_details.reasoning_tokens == 6
