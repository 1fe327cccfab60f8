from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

from running_gateway import CRITICAL, MASTER_KEY, OPUS, Running


async def test_invoice_that_agrees(gateway: Running, key: str) -> None:
    """The exact cost of what was served, as the vendor would bill it, reconciles without a difference."""
    body = {"model": "auto", "messages": [{"role": "user", "content": CRITICAL}]}
    cost = Decimal(0)
    for _ in range(3):
        _, headers, _ = await gateway.post(key, body)
        cost += Decimal(headers["x-gateway-cost-usd"])
    today = datetime.now(UTC).date().isoformat()
    csv = f"usage_date_utc,model,token_type,cost_usd\n{today},{OPUS},input,{cost}\n"
    status, _, raw = await gateway.post(MASTER_KEY, csv.encode(), "/v1/reports/reconcile")
    told = json.loads(raw)
    assert (status, told["difference_usd"], told["accuracy"]) == (200, "0.000000000", 1.0)
    assert [(line["attempts"], line["causes"]) for line in told["lines"]] == [(3, [])]


async def test_who_may_reconcile(gateway: Running, key: str) -> None:
    """An invoice is the organisation's: a team's key may not compare it, and what is none is a 400."""
    for secret, body, path, expected in (
        (key, b"x", "", 403),
        (MASTER_KEY, b"x", "", 400),
        (MASTER_KEY, b"", "?tz=Mars/Olympus", 400),
        (MASTER_KEY, b"day,model,cost\n2026-01-01,m,1\n", "?tz=Mars/Olympus", 400),
        (MASTER_KEY, b"day,model,cost\n2026-01-01,m,1\n", "?amount=price", 400),
        (MASTER_KEY, b"day,model,cost\n2026-01-01,m,1\n", "?rate=2", 400),
    ):
        status, _, _ = await gateway.post(secret, body, "/v1/reports/reconcile" + path)
        assert status == expected
