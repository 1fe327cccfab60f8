"""Providers we speak to natively, as data: where they live, which dialect, how they want the key."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from policies.facts import Dialect

ANTHROPIC_VERSION = "2023-06-01"


def bearer(key: str) -> dict[str, str]:
    """Return OpenAI's authentication header."""
    return {"authorization": f"Bearer {key}"}


def x_api_key(key: str) -> dict[str, str]:
    """Return Anthropic's authentication headers."""
    return {"x-api-key": key, "anthropic-version": ANTHROPIC_VERSION}


AUTHENTICATION: Mapping[Dialect, Callable[[str], dict[str, str]]] = {
    "chat": bearer,
    "messages": x_api_key,
    "responses": bearer,
    "embeddings": bearer,
}
PATHS: Mapping[Dialect, str] = {
    "chat": "/chat/completions",
    "messages": "/v1/messages",
    "responses": "/responses",
    "embeddings": "/embeddings",
}
"""Appended to a deployment's base URL."""


class Provider(msgspec.Struct, frozen=True):
    """A vendor whose API we speak without a library."""

    dialect: Dialect
    api_base: str | None
    """None where only the operator knows it (self-hosted servers)."""


PROVIDERS: Mapping[str, Provider] = {
    "openai": Provider("chat", "https://api.openai.com/v1"),
    "zai": Provider("chat", "https://api.z.ai/api/paas/v4"),
    "anthropic": Provider("messages", "https://api.anthropic.com"),
    "deepseek": Provider("chat", "https://api.deepseek.com/v1"),
    "groq": Provider("chat", "https://api.groq.com/openai/v1"),
    "mistral": Provider("chat", "https://api.mistral.ai/v1"),
    "moonshot": Provider("chat", "https://api.moonshot.ai/v1"),
    "openrouter": Provider("chat", "https://openrouter.ai/api/v1"),
    "together_ai": Provider("chat", "https://api.together.xyz/v1"),
    "fireworks_ai": Provider("chat", "https://api.fireworks.ai/inference/v1"),
    "xai": Provider("chat", "https://api.x.ai/v1"),
    "hosted_vllm": Provider("chat", None),
    "openai_like": Provider("chat", None),
    "custom_openai": Provider("chat", None),
    "lm_studio": Provider("chat", None),
}
"""Any other prefix goes through litellm."""
