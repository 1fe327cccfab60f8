"""Limits, sampling and thinking."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gateway.errors import InvalidRequest
from gateway.wire.anthropic_types import Thinking
from gateway.wire.chat_to_messages.body import ChatBody

DEFAULT_MAX_TOKENS = 16_384
"""`max_tokens` of a client that names none: Anthropic must be told one, and Opus writes about this much
within the ten minutes a call may last."""

SMALLEST_BUDGET = 1_024
"""Anthropic refuses a thinking budget below this."""

EFFORT_BUDGETS: Mapping[str, int] = {
    "none": 0,
    "minimal": 1_024,
    "low": 2_048,
    "medium": 8_192,
    "high": 16_384,
    "xhigh": 24_576,
    "max": 24_576,
}
"""Thinking tokens by OpenAI's `reasoning_effort`."""


class Limits(msgspec.Struct, frozen=True):
    """How much may be written, and how much of that is thinking."""

    max_tokens: int
    thinking: Thinking | None


class Sampling(msgspec.Struct, frozen=True):
    """How tokens are drawn; None leaves it to the vendor."""

    temperature: float | None
    top_p: float | None


def plan_limits(body: ChatBody, largest: int, *, may_think: bool) -> Limits:
    """Return the limits for a model that writes at most `largest` tokens.

    A client's own limit is never exceeded, since money was reserved by it: thinking gets at most half of
    it. Where the client names none, the default grows by the thinking budget. Thinking is left out where
    less than the smallest budget would remain.

    Raises:
        InvalidRequest: a limit below 1, or an effort that does not exist.

    """
    budget = _wished_budget(body) if may_think else 0
    asked = _asked_limit(body)
    room = min(largest, DEFAULT_MAX_TOKENS + budget if asked is None else asked)
    budget = min(budget, room // 2)
    return Limits(room, Thinking(budget) if budget >= SMALLEST_BUDGET else None)


def wants_thinking(body: ChatBody) -> bool:
    """Return whether the client asked the model to think; raise InvalidRequest for an unknown effort."""
    return _wished_budget(body) > 0


def plan_sampling(body: ChatBody, *, thinking: bool) -> Sampling:
    """Return the sampling Anthropic accepts: nothing beside thinking, and one of the two otherwise."""
    if thinking:
        return Sampling(None, None)
    if body.temperature is None:
        return Sampling(None, body.top_p)
    return Sampling(min(1.0, body.temperature), None)


def stop_sequences(body: ChatBody) -> list[str]:
    """Return the stop texts; Anthropic refuses blank ones."""
    asked = [body.stop] if isinstance(body.stop, str) else body.stop or []
    return [text for text in asked if text.strip()]


def _asked_limit(body: ChatBody) -> int | None:
    name = "max_tokens" if body.max_completion_tokens is None else "max_completion_tokens"
    asked = body.max_tokens if body.max_completion_tokens is None else body.max_completion_tokens
    if asked is not None and asked < 1:
        raise InvalidRequest(f"`{name}` is `{asked}`; it must be at least 1", param=name)
    return asked


def _wished_budget(body: ChatBody) -> int:
    """Return the budget asked for; a vendor's own `thinking` field goes before `reasoning_effort`."""
    if body.thinking is not None:
        if body.thinking.type != "enabled":
            return 0
        if body.thinking.budget_tokens is not None:
            return max(body.thinking.budget_tokens, SMALLEST_BUDGET)
    effort = body.reasoning_effort or ("none" if body.thinking is None else "medium")
    if effort not in EFFORT_BUDGETS:
        raise InvalidRequest(
            f"`{effort}` is not a reasoning effort; use one of {', '.join(EFFORT_BUDGETS)}",
            param="reasoning_effort",
        )
    return EFFORT_BUDGETS[effort]
