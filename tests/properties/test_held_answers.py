"""Whatever answers are asked for and however long they get, what is held covers them and a hard limit holds."""

from __future__ import annotations

import asyncio
from functools import cache
from itertools import count
from typing import NamedTuple

from exchange_samples import NOW, ListBooks, make_exchange, nothing_spent
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from gateway.budgets import window
from gateway.clock import FixedClock
from gateway.errors import BudgetExceeded
from gateway.exchange import Exchange
from gateway.ledger import Account, Attempted, Ledger
from gateway.stores.base import BudgetRow, DecisionRow
from gateway.stores.memory import MemoryState
from policies.answer_length import FEWEST
from policies.facts import BudgetView
from policies.pricing import Usage

LONGEST = 1_000
"""Tokens of the sample models."""
BUDGET = BudgetRow(id="b", scope="team:t", limit_nano=400_000_000, period="1mo")
WHOLE = st.floats(0, 1)


@cache
def decided(asked: int | None, choices: int, pin: bool) -> Exchange:  # noqa: FBT001
    """Return a request with its decision."""
    body = {"n": choices} | ({} if asked is None else {"max_tokens": asked})
    return make_exchange(model="claude-opus-4-1" if pin else "auto", body=body)


class Open(NamedTuple):
    """A request under way: how long its answers may be together, and what is held for it."""

    account: Account
    most: int
    held_nano: int


class Answering(RuleBasedStateMachine):
    """Requests of every kind, open at a time, whose vendors write as much as they may."""

    def __init__(self) -> None:
        super().__init__()
        self.state = MemoryState(seed=nothing_spent)
        self.ledger = Ledger(books=ListBooks(), state=self.state, clock=FixedClock(NOW))
        self.open: list[Open] = []
        self.numbers = count()
        self.runner = asyncio.Runner()

    @rule(asked=st.sampled_from((None, None, 1, 300, LONGEST)), choices=st.integers(1, 3), pin=st.booleans())
    def claim(self, asked: int | None, choices: int, pin: bool) -> None:  # noqa: FBT001
        """Open a request, if there is room; its answers may be as long as was said."""
        exchange = decided(asked, choices, pin)
        exchange = replace(exchange, id=f"req_{next(self.numbers)}")
        row = DecisionRow(id="d", request_id=exchange.id, at_ms=0, team_id="t", record=b"{}")
        account = self.ledger.account(exchange, (BUDGET,), row)
        before_nano = self.look().reserved_nano
        try:
            limit = self.runner.run(account.cover(exchange.decision.candidates[0]))
        except BudgetExceeded:
            return
        assert asked is None or limit is None
        most = (limit or asked or LONGEST) * choices
        self.open.append(Open(account, most, self.look().reserved_nano - before_nano))

    @rule(share=WHOLE)
    def answer(self, share: float) -> None:
        """Let the oldest open request be answered with some of what it may have."""
        if self.open:
            self.settle(self.open.pop(0), share)

    @rule(length=st.integers(1, 40))
    def grow_used_to(self, length: int) -> None:
        """Serve a team answers of one length until that is what it is known for."""
        for _ in range(FEWEST):
            before = len(self.open)
            self.claim(None, 1, pin=True)
            if len(self.open) > before:
                last = self.open.pop()
                self.settle(last, min(1.0, length / last.most))

    def settle(self, one: Open, share: float) -> None:
        """Book an answer and close: no answer costs more than was held for it."""
        account, most, held_nano = one
        candidate = account.exchange.decision.candidates[0]
        usage = Usage(
            input_tokens=account.exchange.features.input_tokens, output_tokens=max(1, int(most * share))
        )
        account.book(Attempted(candidate=candidate, outcome="ok", started_s=0, usage=usage, delivered=True))
        assert self.runner.run(account.close("ok", 200)).cost_nano <= held_nano

    def look(self) -> BudgetView:
        """Return the budget as it stands."""
        return self.state.views((window(BUDGET, "UTC", NOW),))[0]

    @invariant()
    def within_the_limit(self) -> None:
        """Spending and promises never exceed the limit together."""
        view = self.look()
        assert view.spent_nano + view.reserved_nano <= BUDGET.limit_nano

    def teardown(self) -> None:
        """Close the loop."""
        self.runner.close()


TestAnswering = Answering.TestCase
TestAnswering.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)
