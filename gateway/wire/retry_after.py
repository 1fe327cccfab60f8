"""How long a vendor asks us to wait, read from its headers; seconds, None where it does not say.

`headers` have lower-case names; `now` is Unix time in seconds. Source: RFC 9110 section 10.2.3.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from policies.facts import Dialect

_DURATION = re.compile(
    r"(?:(?P<days>\d+)d)?(?:(?P<hours>\d+)h)?(?:(?P<minutes>\d+)m(?!s))?"
    r"(?:(?P<seconds>\d+(?:\.\d+)?)s)?(?:(?P<millis>\d+(?:\.\d+)?)ms)?"
)
_SECONDS_PER = {"days": 86400.0, "hours": 3600.0, "minutes": 60.0, "seconds": 1.0, "millis": 0.001}
_RESET_HEADERS: Mapping[Dialect, tuple[tuple[str, str], ...]] = {
    "chat": tuple(
        (f"x-ratelimit-reset{kind}", f"x-ratelimit-remaining{kind}") for kind in ("-requests", "-tokens", "")
    ),
    "messages": tuple(
        (f"anthropic-ratelimit-{kind}-reset", f"anthropic-ratelimit-{kind}-remaining")
        for kind in ("requests", "tokens", "input-tokens", "output-tokens")
    ),
}
_EPOCH_S = 1e9
_EPOCH_MS = 1e12


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Return how long the vendor asks to wait: `retry-after-ms`, or `retry-after` in seconds or as a date."""
    millis = _number(headers.get("retry-after-ms", ""))
    if millis is not None:
        return millis / 1000
    text = headers.get("retry-after", "")
    seconds = _number(text)
    if seconds is not None or not text:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def limit_reset_s(dialect: Dialect, headers: Mapping[str, str], now: float) -> float | None:
    """Return when the exhausted limit resets, or the first of the limits where none says it is."""
    exhausted: list[float] = []
    others: list[float] = []
    for reset_name, remaining_name in _RESET_HEADERS.get(dialect, ()):
        wait_s = _wait_s(headers.get(reset_name, ""), now)
        if wait_s is not None:
            (exhausted if headers.get(remaining_name) == "0" else others).append(wait_s)
    return max(exhausted) if exhausted else min(others, default=None)


def _wait_s(text: str, now: float) -> float | None:
    """Read `6m0s`, seconds, Unix time in seconds or milliseconds, or an RFC 3339 time."""
    number = _number(text)
    if number is not None:
        if number < _EPOCH_S:
            return number
        return max(0.0, (number / 1000 if number > _EPOCH_MS else number) - now)
    duration = _DURATION.fullmatch(text)
    if text and duration:
        return sum(float(value) * _SECONDS_PER[unit] for unit, value in duration.groupdict("0").items())
    try:
        return max(0.0, datetime.fromisoformat(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
