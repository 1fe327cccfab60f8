"""What chat vendors take beyond the dialect itself, as data."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gateway.wire.chat_upstream.body import SentChat, ThinkingSwitch


class ChatVendor(msgspec.Struct, frozen=True, kw_only=True):
    """One provider's ways; the defaults are those of most self-styled OpenAI-compatible servers."""

    limit_is_max_completion_tokens: bool = False
    """The output limit goes by OpenAI's newer name; else by `max_tokens`, which everyone else knows."""
    switches_thinking: bool = False
    """Reasoning is switched by `thinking`, and is on unless switched off; else by `reasoning_effort`."""
    takes_reasoning: bool = False
    """Its own earlier reasoning may come back as `reasoning_content`."""
    takes_files: bool = True


_DEFAULT = ChatVendor()
_VENDORS: Mapping[str, ChatVendor] = {
    "openai": ChatVendor(limit_is_max_completion_tokens=True),
    "azure": ChatVendor(limit_is_max_completion_tokens=True),
    # https://docs.z.ai/guides/capabilities/thinking-mode
    "zai": ChatVendor(switches_thinking=True, takes_reasoning=True, takes_files=False),
}
NO_EFFORT = frozenset(("none", "minimal"))


def vendor_of(provider: str) -> ChatVendor:
    """Return the provider's ways."""
    return _VENDORS.get(provider, _DEFAULT)


def set_limit(body: SentChat, vendor: ChatVendor, tokens: int | None) -> None:
    """Put the output limit where the vendor looks for it."""
    if vendor.limit_is_max_completion_tokens:
        body.max_completion_tokens = tokens
    else:
        body.max_tokens = tokens


def set_effort(body: SentChat, vendor: ChatVendor, effort: str | None) -> None:
    """Ask for reasoning in the vendor's way; None leaves the vendor to its habit."""
    if effort is None:
        return
    if vendor.switches_thinking:
        body.thinking = ThinkingSwitch("disabled" if effort in NO_EFFORT else "enabled")
    else:
        body.reasoning_effort = effort
