from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from exchange_samples import GLM, OPUS, ListBooks, make_account, make_exchange

from gateway.errors import StoreUnavailable
from gateway.ledger import Attempted
from gateway.log_lines import configure_logging, redact
from gateway.settings import LogSettings
from gateway.telemetry import Telemetry
from policies.pricing import Usage
from policies.verdicts import Candidate

KEY = "sk-gw-Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6"


@pytest.fixture(params=["json", "console"])
def log(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """Give the stream that logging is configured to write to, in each format."""
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging(LogSettings(format=request.param), stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        f"a {KEY}",
        f"Authorization: Bearer {KEY}",
        "bearer eyJhbGciOi.eyJzdWIi",
        f"line\\n{KEY}",
        f"('{KEY}')",
    ],
)
def test_redacts(text: str) -> None:
    """Keys and bearer tokens are replaced wherever they stand."""
    assert KEY not in redact(text)
    assert "eyJ" not in redact(text)
    assert "[redacted]" in redact(text)


@pytest.mark.parametrize("text", ["risk-management-2026", "req_1a2b3c4d5e6f", "desk-lamps-and-more", "sk-1"])
def test_spares_ordinary_words(text: str) -> None:
    """Words that only end like a key's prefix stay."""
    assert redact(text) == text


def test_no_key_in_any_line(log: io.StringIO) -> None:
    """Neither an event, a nested value, a traceback nor a library's warning shows a key."""
    logger, secret = structlog.get_logger("gateway"), f"rejected {KEY}"
    logger.info("seen", header=f"Bearer {KEY}", nested={"list": [KEY]})
    try:
        int(secret)
    except ValueError:
        logger.exception("failed")
        logging.getLogger("library").exception("library failed with %s", KEY)
    written = log.getvalue()
    assert written.count("failed") >= 2
    assert KEY not in written


def test_refusals_are_counted_and_logged(log: io.StringIO) -> None:
    """An error answer is one line and one sample, with the operator's detail in the line."""
    telemetry = Telemetry()
    telemetry.refused("req_1", StoreUnavailable("no books", detail="team red"))
    assert b'gateway_refusals_total{code="store_unavailable"} 1.0' in telemetry.exposition()
    assert "team red" in log.getvalue()
    if log.getvalue().startswith("{"):
        assert json.loads(log.getvalue())["status"] == 503


async def test_cost_by_what_ran(log: io.StringIO) -> None:
    """A fallback's cost is counted under the model and tier that caused it, each attempt under its own."""
    account, telemetry = make_account(make_exchange(), ListBooks()), Telemetry()
    for deployment, tier in ((GLM, "base"), (OPUS, "premium")):
        candidate = Candidate(deployment=deployment, tier=tier, worst_case_nano=0)  # type: ignore[arg-type]
        outcome = "ok" if tier == "premium" else "garbled"
        usage = Usage(input_tokens=1000)
        account.book(Attempted(candidate=candidate, outcome=outcome, started_s=0, usage=usage))  # type: ignore[arg-type]
    telemetry.served(account, await account.close("ok", 200), status="ok", seconds=1.5)
    told = telemetry.exposition().decode()
    assert f'gateway_cost_usd_total{{model="{GLM}",team="red",tier="base"}} 0.0006' in told
    assert f'gateway_cost_usd_total{{model="{OPUS}",team="red",tier="premium"}} 0.015' in told
    assert f'gateway_requests_total{{model="{OPUS}",status="ok",team="red",tier="premium"}} 1.0' in told
    assert "0.0156" in log.getvalue()


async def test_ends_are_told_at_the_next_round(log: io.StringIO) -> None:
    """Requests that end together are told of together, without anybody asking, each with a line of its own."""
    telemetry = Telemetry()
    for _ in range(2):
        account = make_account(make_exchange(), ListBooks())
        telemetry.served(account, await account.close("ok", 200), status="ok", seconds=0.3)
    assert log.getvalue() == ""
    await asyncio.sleep(0)
    assert log.getvalue().count("\n") == 2
    told = telemetry.exposition().decode()
    assert 'gateway_request_seconds_bucket{le="0.25",tier="base"} 0.0' in told
    assert 'gateway_request_seconds_bucket{le="0.5",tier="base"} 2.0' in told
    assert 'gateway_request_seconds_sum{tier="base"} 0.6' in told
