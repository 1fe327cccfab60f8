from __future__ import annotations

import pytest

from gateway.pace import PaceLimit, Room, duration, limit_headers, pace_limits

NOW = 1_767_225_600.0


def room(unit: str, left: int, *, scope: str = "key:k", most: int = 60, full_in_s: float = 1.0) -> Room:
    """Return what a limit leaves."""
    limit = PaceLimit(scope=scope, unit=unit, most=most)  # type: ignore[arg-type]
    return Room(limit=limit, left=left, full_in_s=full_in_s)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ms"),
        (0.12, "120ms"),
        (1, "1s"),
        (1.5, "1.5s"),
        (59.9994, "1m0s"),
        (360, "6m0s"),
        (3723, "1h2m3s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """Times are written as OpenAI writes them."""
    assert duration(seconds) == text


def test_tightest_limit_is_shown() -> None:
    """Of a key's and a team's limit the one with least left is told."""
    rooms = (room("requests", 7), room("requests", 3, scope="team:t", most=10), room("concurrency", 0))
    headers = limit_headers(rooms, anthropic=False, now=NOW)
    assert headers == {
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "3",
        "x-ratelimit-reset-requests": "1s",
    }


def test_anthropics_instants() -> None:
    """Anthropic's clients are told the instant, and on a refusal that it is one."""
    headers = limit_headers((room("tokens", 0, full_in_s=59.2),), anthropic=True, now=NOW, refused=True)
    assert headers["anthropic-ratelimit-tokens-reset"] == "2026-01-01T00:01:00Z"
    assert headers["anthropic-ratelimit-unified-status"] == "rejected"
    assert limit_headers((), anthropic=True, now=NOW) == {}


def test_no_limit_no_scope() -> None:
    """What is not limited is not counted."""
    assert pace_limits("key:k", rpm=None, tpm=None, concurrency=None) == ()
    assert [limit.unit for limit in pace_limits("key:k", rpm=1, tpm=None, concurrency=2)] == [
        "requests",
        "concurrency",
    ]
