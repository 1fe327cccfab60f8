from __future__ import annotations

import asyncio

import pytest
from exchange_samples import (
    GLM,
    MODELS,
    NOW,
    OPUS,
    PRICES,
    ListBooks,
    make_account,
    make_exchange,
    with_baseline,
)
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.errors import BudgetExceeded, StoreUnavailable
from gateway.fleet import build_reach
from gateway.ledger import Account, Attempted
from gateway.settings import Settings
from gateway.stores.base import AttemptRow, DecisionRow, OpenRow, RequestRow
from gateway.stores.memory import MemoryState
from policies.prices import load_prices
from policies.pricing import Usage
from policies.verdicts import Candidate, OutcomeKind

DEAR = Candidate(deployment=OPUS, tier="premium", worst_case_nano=5_000_000)
CHEAP = Candidate(deployment=GLM, tier="base", worst_case_nano=1_000_000)
HUNDRED = Usage(input_tokens=100, output_tokens=10)


def attempted(candidate: Candidate = CHEAP, outcome: OutcomeKind = "ok", **known: object) -> Attempted:
    """Return an attempt of which `known` is known."""
    return Attempted(candidate=candidate, outcome=outcome, started_s=0.0, **known)  # type: ignore[arg-type]


def state_of(account: Account) -> MemoryState:
    """Return the account's state."""
    assert isinstance(account.admission.state, MemoryState)
    return account.admission.state


async def test_rows_in_order() -> None:
    """An opening is written before the call; attempts, request and decision after it."""
    books = ListBooks()
    account = make_account(make_exchange(), books)
    await account.cover(CHEAP)
    assert [type(row) for row in books.rows] == [OpenRow]
    account.book(attempted(usage=HUNDRED, delivered=True))
    await account.close("ok", 200)
    assert [type(row) for row in books.rows] == [OpenRow, AttemptRow, RequestRow, DecisionRow]


async def test_every_class_has_its_price() -> None:
    """Cached and written tokens are billed at their own prices."""
    account = make_account(make_exchange(model=OPUS), ListBooks())
    usage = Usage(input_tokens=1000, output_tokens=100, cache_read_tokens=2000, cache_write_5m_tokens=400)
    account.book(attempted(DEAR, usage=usage, delivered=True))
    assert (await account.close("ok", 200)).cost_nano == 15_000_000 + 7_500_000 + 3_000_000 + 7_500_000


async def test_price_of_the_day() -> None:
    """A request is priced by the table in force when it came, not by the newest."""
    dated = PRICES.replace("prices: [{since: 2025-07-28", 'prices: [{since: 2999-01-01, input: "9", output: "9"}, {since: 2025-07-28')  # fmt: skip
    settings = {"model_list": MODELS, "tiers": {"base": [GLM], "premium": [OPUS]}}
    reach = build_reach(Settings.model_validate(settings), load_prices(dated))
    exchange = make_exchange(reach=reach)
    for started_s, cost in ((NOW, 82_000), (32_500_000_000.0, 990_000)):
        account = make_account(replace(exchange, started_s=started_s), ListBooks())
        account.book(attempted(usage=HUNDRED, delivered=True))
        assert (account.attempts[0].cost_nano, account.attempts[0].card) == (cost, "zai/glm-4.5")


async def test_cache_effect_is_signed() -> None:
    """Reading from a cache saves, writing to it costs; the row says what came of both."""
    for usage, effect in (
        (Usage(cache_read_tokens=1000), 13_500_000),
        (Usage(cache_write_5m_tokens=1000), -3_750_000),
        (Usage(input_tokens=1000), 0),
    ):
        account = make_account(make_exchange(model=OPUS), ListBooks())
        account.book(attempted(DEAR, usage=usage, delivered=True))
        assert (await account.close("ok", 200)).cache_nano == effect


@pytest.mark.parametrize(
    ("outcome", "delivered_tokens", "estimated", "output_tokens"),
    [
        ("connect_failed", 0, False, 0),
        ("rate_limited", 0, False, 0),
        ("server_error", 0, False, 0),
        ("server_error", 7, True, 7),
        ("timeout", 0, True, 0),
        ("cut_off", 5, True, 5),
        ("cancelled", 0, True, 0),
    ],
)
async def test_missing_count(
    outcome: OutcomeKind, delivered_tokens: int, output_tokens: int, *, estimated: bool
) -> None:
    """Without the vendor's count a call is free only if it failed before it could produce anything."""
    account = make_account(make_exchange(), ListBooks())
    account.book(attempted(outcome=outcome, delivered_tokens=delivered_tokens))
    (row,) = account.attempts
    assert (row.estimated, row.output_tokens) == (estimated, output_tokens)
    assert (row.cost_nano > 0) == estimated


async def test_fallback_is_covered_on_top() -> None:
    """What a failed attempt has cost stays reserved beside the next one's worst case."""
    account = make_account(make_exchange(), ListBooks(), limit_nano=5_050_000)
    await account.cover(CHEAP)
    account.book(attempted(outcome="cut_off", usage=HUNDRED))
    with pytest.raises(BudgetExceeded):
        await account.cover(DEAR)
    assert state_of(account).open_holds == 1
    await account.close("failed", 429)
    assert state_of(account).open_holds == 0


async def test_close_twice() -> None:
    """A second close changes nothing and returns the same receipt."""
    books = ListBooks()
    account = make_account(make_exchange(), books, limit_nano=10_000_000)
    await account.cover(CHEAP)
    account.book(attempted(usage=HUNDRED, delivered=True))
    first, count = await account.close("ok", 200), len(books.rows)
    assert await account.close("failed", 500) is first
    assert len(books.rows) == count


@pytest.mark.parametrize("when", ["opening", "closing"])
async def test_books_away(when: str) -> None:
    """A reservation is given back even when nothing can be written."""
    books = ListBooks()
    account = make_account(make_exchange(), books, limit_nano=10_000_000)
    if when == "closing":
        await account.cover(CHEAP)
    books.refusal = StoreUnavailable("full")
    if when == "opening":
        with pytest.raises(StoreUnavailable):
            await account.cover(CHEAP)
    with pytest.raises(StoreUnavailable):
        await account.close("failed", 503)
    assert state_of(account).open_holds == 0


@pytest.mark.parametrize(
    ("baseline", "model", "savings"),
    [
        ("all-premium", "auto", 2_250_000 - 82_000),
        ("all-base", "auto", 0),
        ("requested", OPUS, 2_250_000 - 82_000),
        ("requested", "auto", 2_250_000 - 82_000),
        ("all-purple", "auto", None),
    ],
)
async def test_savings(baseline: str, model: str, savings: int | None) -> None:
    """Savings are the same usage at the baseline's prices, less what was paid; unknown stays unknown."""
    account = make_account(make_exchange(model=model, principal=with_baseline(baseline)), ListBooks())
    account.book(attempted(usage=HUNDRED, delivered=True))
    assert (await account.close("ok", 200)).savings_nano == savings


async def test_waste_is_a_loss() -> None:
    """A request that delivered nothing has saved less than nothing."""
    account = make_account(make_exchange(), ListBooks())
    account.book(attempted(outcome="garbled", usage=HUNDRED))
    receipt = await account.close("failed", 502)
    assert (receipt.wasted_nano, receipt.savings_nano) == (82_000, -82_000)


OUTCOMES: list[OutcomeKind] = ["ok", "cut_off", "timeout", "server_error", "rate_limited"]
ATTEMPTS = st.lists(
    st.tuples(
        st.sampled_from(OUTCOMES), st.sampled_from([CHEAP, DEAR]), st.integers(0, 10**6), st.booleans()
    ),
    max_size=6,
)


@given(ATTEMPTS)
def test_request_is_the_sum_of_its_attempts(tries: list[tuple[OutcomeKind, Candidate, int, bool]]) -> None:
    """Cost, waste and tokens of a request are exactly those of its attempts, whatever they were."""
    books = ListBooks()
    account = make_account(make_exchange(), books)
    for outcome, candidate, tokens, known in tries:
        usage = Usage(input_tokens=tokens, output_tokens=tokens) if known else None
        account.book(attempted(candidate, outcome, usage=usage, delivered=outcome == "ok"))
    receipt = asyncio.run(account.close("ok", 200))
    rows = [row for row in books.rows if isinstance(row, AttemptRow)]
    (request,) = (row for row in books.rows if isinstance(row, RequestRow))
    assert receipt.cost_nano == request.cost_nano == sum(row.cost_nano for row in rows)
    assert request.wasted_nano == sum(row.cost_nano for row in rows if not row.delivered)
    assert request.input_tokens == sum(row.input_tokens for row in rows)
