from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidRequest
from gateway.invoices import MOST_LINES, model_key, read_invoice

DAY = date(2026, 8, 4)
ANTHROPIC_CSV = """\
usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type
2026-08-04,Claude Opus 4.1,Default,k,message,\u2264 200k,input_no_cache,0.05,0.05,token
2026-08-04,Claude Opus 4.1,Default,k,message,\u2264 200k,output,1.20,1.20,token
"""
OPENAI_CSV = """\
start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id
1785801600,1785888000,2026-08-04T00:00:00+00:00,2026-08-05T00:00:00+00:00,0.75,usd,"gpt-4o-2024-08-06, input",p
1785801600,1785888000,2026-08-04T00:00:00+00:00,2026-08-05T00:00:00+00:00,0.5,usd,"gpt-4o-2024-08-06, output",p
"""
ANTHROPIC_JSON = {
    "data": [
        {
            "starting_at": "2026-08-04T00:00:00Z",
            "ending_at": "2026-08-05T00:00:00Z",
            "results": [
                {
                    "currency": "USD",
                    "amount": "123.45",
                    "model": "claude-opus-4-1-20250805",
                    "token_type": "x",
                },
                {
                    "currency": "USD",
                    "amount": "0.55",
                    "model": None,
                    "description": "Claude Opus 4.1 Usage - Output",
                },
            ],
        }
    ],
    "has_more": False,
    "next_page": None,
}
OPENAI_JSON = {
    "object": "page",
    "data": [
        {
            "start_time": 1785801600,
            "results": [{"amount": {"value": 1.25, "currency": "usd"}, "line_item": "gpt-4o, input"}],
        }
    ],
}


@pytest.mark.parametrize(
    ("body", "model", "amount"),
    [
        (ANTHROPIC_CSV.encode(), "claude-opus-4-1", "1.25"),
        (OPENAI_CSV.encode(), "gpt-4o", "1.25"),
        (json.dumps(ANTHROPIC_JSON).encode(), "claude-opus-4-1", "1.24"),
        (json.dumps(OPENAI_JSON).encode(), "gpt-4o", "1.25"),
    ],
)
def test_vendors_exports(body: bytes, model: str, amount: str) -> None:
    """Both vendors' exports, in both forms, come to exact USD by day and model."""
    assert dict(read_invoice(body, {}).amounts) == {(DAY, model): Decimal(amount)}


def test_named_columns() -> None:
    """A bill with headings of its own is read by naming them; a credit is negative."""
    body = b"Tag,Modell,Betrag\n2026-08-04,GLM-4.5,$1.5\n2026-08-04,glm-4.5,-0.5\n"
    invoice = read_invoice(body, {"day": "Tag", "model": "modell", "amount": "Betrag"})
    assert dict(invoice.amounts) == {(DAY, "glm-4-5"): Decimal("1.0")}


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("anthropic/claude-opus-4-1-20250805", "claude-opus-4-1"),
        ("Claude Opus 4.1", "claude-opus-4-1"),
        ("gpt-4.1-mini-2025-04-14, cached input", "gpt-4-1-mini"),
        ("zai/glm-4.5-air", "glm-4-5-air"),
        ("", "other"),
    ],
)
def test_one_spelling(name: str, key: str) -> None:
    """However a vendor spells a model, it has one key."""
    assert model_key(name) == key


HEAD = b"day,model,cost_usd,currency\n"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        HEAD,
        b"a,b\n1,2\n",
        HEAD + b"2026-02-30,m,1,usd\n",
        HEAD + b"2026-01-01,m,NaN,usd\n",
        HEAD + b"2026-01-01,m,Infinity,usd\n",
        HEAD + b"2026-01-01,m,1e999999,usd\n",
        HEAD + b"2026-01-01,m,1000000001,usd\n",
        HEAD + b"2026-01-01,m,1,EUR\n",
        HEAD + b"2026-01-01,m\n",
        HEAD + b'2026-01-01,"m,1,usd\n',
        HEAD + b"2026-01-01,m,1,usd\n2026-07-01,m,1,usd\n",
        HEAD + b"0001-01-01,m,1,usd\n",
        HEAD + b"\xff\xfe,m,1,usd\n",
        HEAD + b"2026-01-01,m,1,usd\n" * (MOST_LINES + 1),
        b'{"data": [',
        b'{"data": [{"results": [{"amount": "1"}]}]}',
        b'{"data": [{"starting_at": "2026-01-01T00:00:00Z", "results": [{"amount": "x"}]}]}',
        b'{"data": [], "has_more": true}',
        b'{"data": []}',
    ],
    ids=range(20),
)
def test_bad_invoice(body: bytes) -> None:
    """What is no invoice in USD is refused with the parameter's name."""
    with pytest.raises(InvalidRequest) as caught:
        read_invoice(body, {})
    assert caught.value.param == "invoice"


@given(st.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    """Whatever is sent, it is an invoice or a 400."""
    try:
        read_invoice(body, {})
    except InvalidRequest as error:
        assert error.param == "invoice"  # noqa: PT017 - either is right
