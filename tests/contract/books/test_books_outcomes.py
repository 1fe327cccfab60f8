"""What became of decisions, on every database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from gateway.stores.base import OutcomeRow, RequestRow
from gateway.stores.sql_books import SqlBooks

DECIDED_MS = 1_767_225_600_000
REQUEST = RequestRow(
    id="req_1",
    at_ms=DECIDED_MS,
    team_id="team_1",
    key_id="key_1",
    dialect="chat",
    client_model="auto",
    stream=False,
    status="ok",
    http_status=200,
    tier="premium",
    ground="floor",
    triggers=("critical_security", "small_talk"),
)
WORD = OutcomeRow(
    id="dec_1.0.accepted",
    decision_id="dec_1",
    request_id="req_1",
    team_id="team_1",
    key_id="key_1",
    at_ms=DECIDED_MS + 5_000,
    decided_ms=DECIDED_MS,
    label="accepted",
    said=True,
    tier="premium",
    comment="fine\0",
)
SIGN = msgspec.structs.replace(
    WORD, id="dec_1.reask", label="reask", said=False, at_ms=DECIDED_MS + 1_000, comment=""
)
change: Callable[..., Any] = msgspec.structs.replace


async def test_outcomes_read_back(books: SqlBooks) -> None:
    """Outcomes come back oldest first, each kept once however often it comes; NULs are gone."""
    books.append(WORD, SIGN)
    books.append(WORD)
    await books.flush()

    assert await books.outcomes("dec_1") == [SIGN, change(WORD, comment="fine")]
    assert await books.outcomes("dec_2") == []


async def test_labels_carry_their_triggers(books: SqlBooks) -> None:
    """A window's outcomes come with the triggers that had fired, within a team where one is given."""
    other = change(
        WORD, id="dec_2.reask", decision_id="dec_2", request_id="req_2", team_id="team_2", label="reask"
    )
    books.append(REQUEST, WORD, SIGN, other)
    await books.flush()

    found = await books.labelled(DECIDED_MS, DECIDED_MS + 1, team_id="team_1")
    everyone = await books.labelled(0, DECIDED_MS + 1)

    assert [(o.label, o.triggers) for o in found] == [
        ("reask", ("critical_security", "small_talk")),
        ("accepted", ("critical_security", "small_talk")),
    ]
    assert {(o.decision_id, o.label, o.triggers) for o in everyone} > {("dec_2", "reask", ())}
    assert await books.labelled(DECIDED_MS + 1, DECIDED_MS + 2) == []


async def test_served_tier(books: SqlBooks) -> None:
    """The tier that answered is known once the request is booked."""
    books.append(REQUEST)
    await books.flush()

    assert await books.served_tier("req_1") == "premium"
    assert await books.served_tier("req_2") is None
