"""`Usage` in Anthropic's shape, and chat's finish reasons in Anthropic's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from gateway.wire.anthropic_types import CacheCreation, OutputDetails
from policies.pricing import Usage

StopReason = Literal["end_turn", "max_tokens", "tool_use", "refusal"]

_STOP_REASONS: Mapping[str, StopReason] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


class SentUsage(Struct):
    """Token counts; `input_tokens` excludes the cache."""

    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int
    cache_creation_input_tokens: int
    cache_creation: CacheCreation
    output_tokens_details: OutputDetails


def sent_usage(usage: Usage) -> SentUsage:
    """Return `usage` as Anthropic's clients read it."""
    return SentUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_input_tokens=usage.cache_read_tokens,
        cache_creation_input_tokens=usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
        cache_creation=CacheCreation(usage.cache_write_5m_tokens, usage.cache_write_1h_tokens),
        output_tokens_details=OutputDetails(usage.reasoning_tokens),
    )


def stop_reason(finish: str | None, *, called: bool, refused: bool) -> StopReason:
    """Return why the answer ended; vendors that call a tool and finish with `stop` meant the call."""
    if refused:
        return "refusal"
    reason = _STOP_REASONS.get(finish or "", "end_turn")
    return "tool_use" if called and reason == "end_turn" else reason


def message_id(completion_id: str | None) -> str:
    """Return the message's id for a completion's."""
    return f"msg_{(completion_id or '').removeprefix('chatcmpl-')}"
