from __future__ import annotations

import json

import pytest

from gateway.wire.openai_chat import OpenAIChat
from gateway.wire.openai_responses.codec import OpenAIResponses
from gateway.wire.output_limit import with_output_limit

CHAT = b'{"model": "auto", "max_tokens": null, "messages": [{"role": "user", "content": "hi"}]}'
RESPONSE = b'{"model": "auto", "input": "hi"}'


@pytest.mark.parametrize(
    ("raw", "provider", "name"),
    [
        (CHAT, "zai", "max_tokens"),
        (CHAT, "anthropic", "max_tokens"),
        (CHAT, "openai", "max_completion_tokens"),
        (RESPONSE, "openai", "max_output_tokens"),
    ],
)
def test_limit_has_its_vendors_name(raw: bytes, provider: str, name: str) -> None:
    """The limit stands where the vendor looks for it, and reads back as the client's own."""
    codec = OpenAIResponses() if raw is RESPONSE else OpenAIChat()
    limited = with_output_limit(codec.parse_request(raw), 300, provider)
    assert json.loads(limited.raw)[name] == 300
    assert limited.max_output_tokens == codec.parse_request(limited.raw).max_output_tokens == 300
