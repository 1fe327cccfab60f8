"""What the tests of the fake vendors send, and how."""

from __future__ import annotations

import json
import ssl

import httpx

TLS = ssl.create_default_context()
"""Made once: every client would otherwise read the certificates anew."""
GLM, OPUS, GPT = "glm-4.5", "claude-opus-4-5", "gpt-4.1"
ASK = [{"role": "user", "content": "Explain the parser in the sandbox module"}]
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 5}},
    "required": ["city", "days"],
}
CHAT_TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": WEATHER}}
    for name in ("get_weather", "get_tides")
]
CLAUDE_TOOLS = [{"name": name, "input_schema": WEATHER} for name in ("get_weather", "get_tides")]
IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}
CLAUDE_HEADERS = {"x-api-key": "sk-test-9876", "anthropic-version": "2023-06-01"}
CHAT_HEADERS = {"authorization": "Bearer sk-test-9876"}


def chat_body(model: str = GLM, **extra: object) -> dict[str, object]:
    """A chat request."""
    return {"model": model, "messages": ASK, **extra}


def claude_body(**extra: object) -> dict[str, object]:
    """A Messages request."""
    return {"model": "claude-opus-4-1", "max_tokens": 300, "messages": ASK, **extra}


def chunks_of(text: str) -> list[dict[str, object]]:
    """The JSON of every data line but the last."""
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


async def post_chat(http: httpx.AsyncClient, base: str, **extra: object) -> httpx.Response:
    """Send a chat request."""
    return await http.post(f"{base}/chat/completions", json=chat_body(**extra), headers=CHAT_HEADERS)


async def post_claude(http: httpx.AsyncClient, url: str, **extra: object) -> httpx.Response:
    """Send a Messages request."""
    return await http.post(f"{url}/v1/messages", json=claude_body(**extra), headers=CLAUDE_HEADERS)


async def read_stream(http: httpx.AsyncClient, url: str, into: bytearray) -> None:
    """Append what arrives of a streamed message."""
    async with http.stream("POST", url, json=claude_body(stream=True), headers=CLAUDE_HEADERS) as answer:
        async for part in answer.aiter_raw():
            into.extend(part)
