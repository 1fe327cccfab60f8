from __future__ import annotations

from exchange_samples import GLM, OPUS, ListBooks, make_account, make_exchange

from gateway.headers import Served, decision_headers, failure_headers, receipt_headers, vendor_headers
from gateway.ledger import Attempted, Receipt
from policies.pricing import Usage
from policies.verdicts import Candidate


def test_decision() -> None:
    """The decision is told under our names and LiteLLM's, in ASCII."""
    served = Served(
        model="glm-é\n", deployment=GLM, tier="base", tried=(OPUS, OPUS, GLM), failed="opus is down"
    )
    told = decision_headers(make_exchange(), served)
    assert told["x-gateway-model"] == "glm-??"
    assert told["x-gateway-tier"] == "base"
    assert (told["x-litellm-attempted-retries"], told["x-litellm-attempted-fallbacks"]) == ("1", "1")
    assert told["x-gateway-reason"].startswith(f"opus is down, so {GLM} serves; ")
    assert all(value.isascii() and value.isprintable() for value in told.values())


def test_receipt() -> None:
    """Cost and savings are exact decimals; a loss keeps its sign."""
    lost = Receipt(
        cost_nano=1_500,
        wasted_nano=0,
        cache_nano=0,
        baseline="all-base",
        baseline_nano=500,
        estimated=True,
        attempts=1,
    )
    assert receipt_headers(lost) == {
        "x-gateway-cost-usd": "0.000001500",
        "x-litellm-response-cost": "0.000001500",
        "x-gateway-savings-usd": "-0.000001000",
        "x-gateway-baseline": "all-base",
        "x-gateway-estimated": "true",
    }


def test_unpriced_baseline() -> None:
    """Savings against an unpriced baseline are left out, not zero."""
    told = receipt_headers(
        Receipt(
            cost_nano=1,
            wasted_nano=0,
            cache_nano=0,
            baseline="x",
            baseline_nano=None,
            estimated=False,
            attempts=1,
        )
    )
    assert "x-gateway-savings-usd" not in told


def test_vendor_headers() -> None:
    """Of the vendor's headers only limits and request ids are passed on, under a prefix of their own."""
    told = vendor_headers(
        {"x-ratelimit-remaining-requests": "9", "set-cookie": "a=b", "request-id": "r\u20ac"}
    )
    assert told == {"llm_provider-x-ratelimit-remaining-requests": "9", "llm_provider-request-id": "r?"}


async def test_failure() -> None:
    """An error after attempts tells what was tried and what it cost."""
    account = make_account(make_exchange(), ListBooks())
    candidate = Candidate(deployment=GLM, tier="base", worst_case_nano=0)
    usage = Usage(input_tokens=1000)
    account.book(Attempted(candidate=candidate, outcome="garbled", started_s=0, usage=usage))
    told = failure_headers(account, await account.close("failed", 502))
    assert (told["x-gateway-model"], told["x-gateway-attempts"]) == (GLM, "1")
    assert told["x-gateway-cost-usd"] == "0.000600000"
    assert told["x-gateway-reason"].startswith(f"{GLM} sent an answer that could not be understood; ")
