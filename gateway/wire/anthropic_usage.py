"""Anthropic's token counts into `Usage`, and `Usage` into OpenAI's `usage` object."""

from __future__ import annotations

from msgspec import Struct

from gateway.wire.anthropic_types import CacheCreation, OutputDetails, WireUsage
from policies.pricing import Usage


class PromptDetails(Struct):
    """How the cache was used; writes go by OpenAI's newer name and by the one older clients read."""

    cached_tokens: int
    cache_write_tokens: int
    cache_creation_tokens: int


class CompletionDetails(Struct):
    """What the output tokens were spent on."""

    reasoning_tokens: int


class ChatUsage(Struct):
    """OpenAI's `usage`; unlike Anthropic's input, `prompt_tokens` includes the cache."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails


def read_usage(*counts: WireUsage, output_at_least: int = 0, estimated: bool = False) -> Usage:
    """Return one answer's usage from every count seen of it, oldest first.

    Counts are cumulative and may leave out what an earlier one told (only `message_start` splits cache
    writes by lifetime; some vendors put zeros there and the truth at the end), so the largest of each
    holds. Writes without a stated lifetime are 5-minute writes, the vendor's default.
    """
    caches = [count.cache_creation or CacheCreation() for count in counts]
    details = [count.output_tokens_details or OutputDetails() for count in counts]
    written = _largest([count.cache_creation_input_tokens for count in counts])
    write_1h = _largest([cache.ephemeral_1h_input_tokens for cache in caches])
    write_5m = _largest([cache.ephemeral_5m_input_tokens for cache in caches])
    return Usage(
        input_tokens=_largest([count.input_tokens for count in counts]),
        output_tokens=max(_largest([count.output_tokens for count in counts]), output_at_least),
        cache_read_tokens=_largest([count.cache_read_input_tokens for count in counts]),
        cache_write_5m_tokens=max(write_5m, written - write_1h),
        cache_write_1h_tokens=write_1h,
        reasoning_tokens=_largest([detail.thinking_tokens for detail in details]),
        estimated=estimated,
    )


def chat_usage(usage: Usage) -> ChatUsage:
    """Return `usage` in OpenAI's shape."""
    written = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
    return ChatUsage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.output_tokens,
        total_tokens=usage.prompt_tokens + usage.output_tokens,
        prompt_tokens_details=PromptDetails(usage.cache_read_tokens, written, written),
        completion_tokens_details=CompletionDetails(usage.reasoning_tokens),
    )


def _largest(counts: list[int | None]) -> int:
    return max((count for count in counts if count is not None), default=0)
