"""What is said to the admission script and what it answers, as values. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from gateway.errors import GatewayError, StoreUnavailable
from gateway.pace import Room
from gateway.stores.state_base import BudgetWindow, Hold, exceeded, limited


class Admitted(msgspec.Struct, frozen=True):
    """An admission: what the limits leave, and what is spent and reserved of each budget."""

    rooms: tuple[Room, ...]
    figures: tuple[tuple[int, int], ...]


class Paid(msgspec.Struct, frozen=True, array_like=True):
    """What a settlement did to one budget."""

    scope: str
    since_ms: int
    before_nano: int
    after_nano: int
    reserved_nano: int


def operation(kind: Literal["admit", "declare", "settle"], hold: Hold) -> tuple[object, ...]:
    """Return the script's operation on a hold."""
    if kind == "settle":
        settled = [(budget.scope, budget.since_ms) for budget in hold.budgets]
        return (kind, hold.id, settled, hold.amount_nano, dict(hold.by_scope), hold.tokens)
    budgets = [(b.scope, b.since_ms, b.limit_nano, b.hard, hold.nano(b.scope)) for b in hold.budgets]
    return (kind, hold.id, budgets, hold.limits, hold.tokens)


def read_unread(
    answer: Sequence[object], budgets: Sequence[BudgetWindow]
) -> list[tuple[BudgetWindow, list[str]]]:
    """Return the budgets the server does not know yet, each with the requests that were paid before."""
    if answer[0] != "unread":
        return []
    found = msgspec.convert(answer[1], list[tuple[int, list[str]]])
    return [(budgets[index], pending) for index, pending in found]


def refusal(answer: Sequence[object], hold: Hold) -> GatewayError | None:
    """Return why a hold was not admitted; None if it was."""
    match answer:
        case ["ok", *_]:
            return None
        case ["limited", int(at), int() | float() as wait_ms, rooms]:
            return limited(hold.limits[at], wait_ms / 1000, _rooms(rooms, hold))
        case ["exceeded", int(at), int(spent), int(reserved)]:
            budget = hold.budgets[at]
            return exceeded(budget, budget.limit_nano - spent - reserved, hold.nano(budget.scope))
    return StoreUnavailable("the request was closed before it was admitted", detail=str(answer[:1]))


def read_admitted(answer: Sequence[object], hold: Hold) -> Admitted:
    """Return what an admission left."""
    figures = msgspec.convert(answer[2], tuple[tuple[int, int], ...])
    return Admitted(_rooms(answer[1], hold), figures)


def read_paid(answer: Sequence[object]) -> tuple[Paid, ...]:
    """Return what a settlement did; nothing if it had been told before."""
    return msgspec.convert(answer[1], tuple[Paid, ...]) if answer[0] == "ok" else ()


def _rooms(rooms: object, hold: Hold) -> tuple[Room, ...]:
    found = msgspec.convert(rooms, tuple[tuple[int, float], ...])
    return tuple(
        Room(limit=limit, left=left, full_in_s=full_in_ms / 1000)
        for limit, (left, full_in_ms) in zip(hold.limits, found, strict=True)
    )
