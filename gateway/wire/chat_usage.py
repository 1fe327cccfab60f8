"""Token counts as the chat dialect reports them."""

from __future__ import annotations

import msgspec

from policies.pricing import Usage


class _WriteDetails(msgspec.Struct):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_creation_tokens: int | None = None
    cache_creation_token_details: _WriteDetails | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class ReportedUsage(msgspec.Struct):
    """A `usage` object as vendors send it."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


_USAGE = msgspec.json.Decoder(ReportedUsage)
_NO_PROMPT_DETAILS = _PromptDetails()


def read_usage(value: bytes | msgspec.Raw) -> Usage | None:
    """Return the usage of an encoded `usage` object; None where it holds no usable count."""
    try:
        return usage_of(_USAGE.decode(value))
    except msgspec.DecodeError:
        return None


def usage_of(usage: ReportedUsage) -> Usage | None:
    """Return reported usage by price class; None where no tokens were counted.

    `prompt_tokens` includes cache reads and writes in this dialect, so they are taken out. Writes come
    as OpenRouter or LiteLLM report them, by lifetime where that is told and else as the short one.
    """
    if usage.prompt_tokens is None and usage.completion_tokens is None:
        return None
    details, reasoning = usage.prompt_tokens_details, usage.completion_tokens_details
    if details is None and reasoning is None:
        return Usage(input_tokens=_count(usage.prompt_tokens), output_tokens=_count(usage.completion_tokens))
    details = details or _NO_PROMPT_DETAILS
    write_5m, write_1h = _writes(details)
    read = _count(details.cached_tokens)
    return Usage(
        input_tokens=max(0, _count(usage.prompt_tokens) - read - write_5m - write_1h),
        output_tokens=_count(usage.completion_tokens),
        cache_read_tokens=read,
        cache_write_5m_tokens=write_5m,
        cache_write_1h_tokens=write_1h,
        reasoning_tokens=_count(reasoning.reasoning_tokens) if reasoning else 0,
    )


def _writes(details: _PromptDetails) -> tuple[int, int]:
    total = _count(details.cache_write_tokens) or _count(details.cache_creation_tokens)
    split = details.cache_creation_token_details
    if split is None:
        return total, 0
    write_1h = _count(split.ephemeral_1h_input_tokens)
    return max(_count(split.ephemeral_5m_input_tokens), total - write_1h), write_1h


def _count(tokens: int | None) -> int:
    return tokens if tokens is not None and tokens > 0 else 0
