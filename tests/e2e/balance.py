"""Whether the ledger, the budget's counter and the holds agree."""

from __future__ import annotations

import time

from running_gateway import Running

from gateway.budgets import window
from gateway.stores.base import RequestRow


async def balanced_rows(gateway: Running, key: str) -> list[RequestRow]:
    """Return the ledger's requests, all of one key with one budget, having seen that everything agrees.

    The last request must have come through this process: only then it knows how the budget stands.
    """
    books, state = gateway.wiring.books, gateway.wiring.state
    await state.flush()
    await books.flush()
    rows = [row async for page in books.requests(0, int(time.time() * 1000) + 60_000) for row in page]
    caller = await gateway.wiring.keyring.caller(key)
    (budget,) = caller.budgets
    (view,) = state.views([window(budget, caller.principal.time_zone, time.time())])
    booked = sum(row.cost_nano for row in rows)
    assert len({row.id for row in rows}) == len(rows)
    assert (view.spent_nano, view.reserved_nano, state.open_holds) == (booked, 0, 0)
    assert await books.spent_nano(budget.scope, 0) == booked
    for row in rows:
        paid = sum(attempt.cost_nano for attempt in await books.attempts(row.id))
        assert row.status == "interrupted" or paid == row.cost_nano
    return rows
