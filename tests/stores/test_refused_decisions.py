from __future__ import annotations

import msgspec

from gateway.stores.base import DecisionRow
from gateway.stores.refused import MAX_RECORD_BYTES, RefusedDecisions


def row(number: int, size: int = 100) -> DecisionRow:
    """Return a record of so many bytes."""
    record = msgspec.Raw(b'"' + b"x" * (size - 2) + b'"')
    return DecisionRow(id=f"dec_{number}", request_id=f"req_{number}", at_ms=0, team_id="red", record=record)


def test_found_by_either_id() -> None:
    """A record is found by its own id and its request's, by its team and by nobody else's."""
    refused = RefusedDecisions()
    refused.keep(row(1))
    assert refused.find("dec_1") == refused.find("req_1", "red") == row(1)
    assert refused.find("dec_1", "blue") is None
    assert refused.find("dec_2") is None


def test_bounded() -> None:
    """The oldest records make room, and one that is too large is not kept at all."""
    refused = RefusedDecisions(most_bytes=250)
    for number in (1, 2, 3):
        refused.keep(row(number))
        refused.keep(row(number))
    refused.keep(row(4, MAX_RECORD_BYTES + 1))
    assert [bool(refused.find(f"dec_{number}")) for number in (1, 2, 3, 4)] == [False, True, True, False]
