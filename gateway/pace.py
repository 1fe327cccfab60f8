"""Pace: how many requests, tokens and calls at once are allowed, and how that is told to clients. Pure.

A limit per minute is a bucket that holds one minute's worth and fills continuously, as the vendors' own
limits do: after a pause a whole minute's worth may come at once, and a refused caller knows to the
millisecond when there will be room.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

Unit = Literal["requests", "tokens", "concurrency"]
MINUTE_S = 60.0
RETRY_BUSY_S = 1.0
"""What a caller is told to wait for a free place: nobody knows when the next call ends."""


class PaceLimit(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """How much of a unit a scope may use: `requests` and `tokens` per minute, `concurrency` at a time."""

    scope: str
    """`key:<id>`, `team:<id>` or `deployment:<id>`."""
    unit: Unit
    most: int

    @property
    def owner(self) -> str:
        """Return what the limit is on, for people: key, team or deployment."""
        return self.scope.partition(":")[0]


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What a limit leaves right after a request was admitted or refused."""

    limit: PaceLimit
    left: int
    full_in_s: float
    """Seconds until all of it is there again, if nobody else comes."""


def pace_limits(
    scope: str, *, rpm: int | None, tpm: int | None, concurrency: int | None
) -> tuple[PaceLimit, ...]:
    """Return the limits of one scope; None is no limit."""
    asked: tuple[tuple[Unit, int | None], ...] = (
        ("requests", rpm),
        ("tokens", tpm),
        ("concurrency", concurrency),
    )
    return tuple(PaceLimit(scope=scope, unit=unit, most=most) for unit, most in asked if most is not None)


def limit_headers(
    rooms: Sequence[Room], *, anthropic: bool, now: float, refused: bool = False
) -> dict[str, str]:
    """Return the rate-limit headers of one dialect: for each unit those of the limit with least left.

    OpenAI tells the time until a limit is whole again as a duration (`6m0s`), Anthropic as an instant.
    """
    tightest: dict[str, Room] = {}
    for room in rooms:
        known = tightest.get(room.limit.unit)
        if room.limit.unit != "concurrency" and (known is None or room.left < known.left):
            tightest[room.limit.unit] = room
    if not anthropic:
        return dict(_openai(tightest.values()))
    status = {"anthropic-ratelimit-unified-status": "rejected" if refused else "allowed"} if rooms else {}
    return dict(_anthropic(tightest.values(), now)) | status


def _openai(rooms: Iterable[Room]) -> Iterable[tuple[str, str]]:
    for room in rooms:
        unit = room.limit.unit
        yield f"x-ratelimit-limit-{unit}", str(room.limit.most)
        yield f"x-ratelimit-remaining-{unit}", str(room.left)
        yield f"x-ratelimit-reset-{unit}", duration(room.full_in_s)


def _anthropic(rooms: Iterable[Room], now: float) -> Iterable[tuple[str, str]]:
    for room in rooms:
        prefix = f"anthropic-ratelimit-{room.limit.unit}"
        reset = datetime.fromtimestamp(math.ceil(now + room.full_in_s), UTC)
        yield f"{prefix}-limit", str(room.limit.most)
        yield f"{prefix}-remaining", str(room.left)
        yield f"{prefix}-reset", f"{reset:%Y-%m-%dT%H:%M:%SZ}"


def duration(seconds: float) -> str:
    """Return seconds as OpenAI writes them: `120ms`, `1.5s`, `6m0s`, `1h0m3s`."""
    ms = math.ceil(seconds * 1000)
    if ms < 1000:  # noqa: PLR2004 - a second
        return f"{ms}ms"
    if ms < 60_000:  # noqa: PLR2004 - a minute
        return f"{ms / 1000:g}s"
    minutes, rest_s = divmod(math.ceil(ms / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{rest_s}s" if hours else f"{minutes}m{rest_s}s"


NO_ROOMS: tuple[Room, ...] = ()
NO_SCOPES: Mapping[str, int] = {}
