"""The fake vendors, driven by the official clients and by raw HTTP: refusals."""

from __future__ import annotations

import anthropic
import httpx
import openai
import pytest
from scripted_calls import (
    ASK,
    CLAUDE_HEADERS,
    CLAUDE_TOOLS,
    GPT,
    IMAGE,
    OPUS,
    chat_body,
    claude_body,
    post_chat,
    post_claude,
)

from gateway.upstreams.scripted import Vendors


@pytest.mark.parametrize(
    ("extra", "code", "said"),
    [
        ({"messages": [{"role": "developer", "content": "x"}]}, "1214", "Incorrect role information"),
        ({"messages": []}, "1214", "messages parameter is illegal"),
        ({"temperature": 1.5}, "1214", "temperature parameter is illegal"),
        ({"model": "gpt-4"}, "1211", "Unknown Model"),
        ({"messages": [IMAGE]}, "1210", "Invalid API parameter"),
        ({"messages": [{"role": "user", "content": "x" * 600_000}]}, "1261", "Prompt exceeds max length"),
    ],
)  # fmt: skip
async def test_zai_refuses(
    extra: dict[str, object], code: str, said: str, vendors: Vendors, http: httpx.AsyncClient
) -> None:
    """GLM's 400s have a code and a message, and no type."""
    answer = await post_chat(http, vendors.zai_url, **extra)
    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"code", "message"}
    assert answer.json()["error"]["code"] == code
    assert said in answer.json()["error"]["message"]


async def test_zai_ignores_what_it_does_not_know(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """`max_completion_tokens` and `n` change nothing at Z.ai."""
    answer = (await post_chat(http, vendors.zai_url, max_completion_tokens=3, n=4)).json()
    assert [choice["finish_reason"] for choice in answer["choices"]] == ["stop"]


async def test_zai_vision_model_sees(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """glm-4.5v takes the image that glm-4.5 refuses."""
    assert (await post_chat(http, vendors.zai_url, model="glm-4.5v", messages=[IMAGE])).status_code == 200


USE = {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "sun"}


def after_use(*blocks: dict[str, object]) -> list[dict[str, object]]:
    """A history in which a tool was used."""
    return [*ASK, {"role": "assistant", "content": list(blocks)}, {"role": "user", "content": [RESULT]}]


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"max_tokens": 32_001}, "max_tokens: 32001 > 32000, which is the maximum allowed"),
        ({"seed": 1}, "seed: Extra inputs are not permitted"),
        ({"messages": [{"role": "user", "content": "x", "name": "joe"}]}, "messages.0.name: Extra inputs"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]},
         "messages: text content blocks must be non-empty"),
        ({"messages": [{"role": "user", "content": ""}]}, "all messages must have non-empty content"),
        ({"messages": [{"role": "system", "content": "x"}]}, 'Unexpected role "system". The Messages API'),
        ({"messages": [{"role": "tool", "content": "x"}]}, 'Unexpected role "tool". Allowed roles'),
        ({"messages": []}, "messages: at least one message is required"),
        ({"temperature": 0.5, "top_p": 0.9}, "`temperature` and `top_p` cannot both be specified"),
        ({"temperature": 1.2}, "temperature: range: 0..1"),
        ({"messages": after_use(USE)}, "blocks must define tools."),
        ({"messages": after_use(USE)[:2], "tools": CLAUDE_TOOLS}, "messages.1: `tool_use` ids were found"),
        ({"messages": [after_use(USE)[2]], "tools": CLAUDE_TOOLS}, "messages.0.content.0: unexpected"),
        ({"messages": after_use(USE | {"id": "a:b"}), "tools": CLAUDE_TOOLS}, "String should match pattern"),
        ({"messages": after_use({"type": "thinking", "thinking": "hm"}, USE), "tools": CLAUDE_TOOLS},
         "messages.1.content.0.thinking.signature: Field required"),
        ({"messages": after_use(USE), "tools": CLAUDE_TOOLS, "max_tokens": 2000,
          "thinking": {"type": "enabled", "budget_tokens": 1024}}, "Expected `thinking` or"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "must be greater than"),
        ({"messages": [{"role": "user", "content": "x" * 900_000}]}, "prompt is too long"),
    ],
)  # fmt: skip
async def test_anthropic_refuses(
    extra: dict[str, object], said: str, vendors: Vendors, http: httpx.AsyncClient
) -> None:
    """Anthropic's 400s, in its words and its shape."""
    answer = await post_claude(http, vendors.url, **extra)
    assert answer.status_code == 400
    body = answer.json()
    assert (body["type"], body["error"]["type"]) == ("error", "invalid_request_error")
    assert body["request_id"] == answer.headers["request-id"]
    assert said in body["error"]["message"]


async def test_older_claude_takes_both_samplers(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Only newer models refuse temperature with top_p."""
    old = {"model": "claude-3-5-haiku-20241022", "temperature": 0.5, "top_p": 0.9}
    assert (await post_claude(http, vendors.url, **old)).status_code == 200


async def test_count_knows_fewer_fields(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """`max_tokens` is unknown to count_tokens."""
    url = f"{vendors.url}/v1/messages/count_tokens"
    answer = await http.post(url, json=claude_body(), headers=CLAUDE_HEADERS)
    assert answer.json()["error"]["message"] == "max_tokens: Extra inputs are not permitted"


@pytest.mark.parametrize(
    ("path", "headers", "status", "said"),
    [
        ("/api/paas/v4/chat/completions", {}, 401, "Authentication parameter not received in Header"),
        (
            "/api/paas/v4/chat/completions",
            {"authorization": "Bearer sk-wrong"},
            401,
            "token expired or incorrect",
        ),
        ("/v1/chat/completions", {}, 401, "You didn't provide an API key"),
        ("/v1/chat/completions", {"authorization": "Bearer sk-wrong"}, 401, "Incorrect API key provided"),
        ("/v1/messages", {}, 401, "x-api-key header is required"),
        ("/v1/messages", {"x-api-key": "sk-wrong"}, 401, "invalid x-api-key"),
        ("/v1/messages", {"authorization": "Bearer sk-wrong"}, 401, "Invalid bearer token"),
        ("/v1/messages", {"x-api-key": "k"}, 400, "anthropic-version: header is required"),
    ],
)
async def test_credentials(
    path: str, headers: dict[str, str], status: int, said: str, vendors: Vendors, http: httpx.AsyncClient
) -> None:
    """Every vendor has its own words for a missing and for a wrong key."""
    answer = await http.post(vendors.url + path, json=chat_body(), headers=headers)
    assert answer.status_code == status
    assert said in answer.json()["error"]["message"]


async def test_clients_raise_their_errors(vendors: Vendors) -> None:
    """The official clients map a 401 to their own exception, with the code one of them keys on."""
    async with openai.AsyncOpenAI(base_url=vendors.openai_url, api_key="sk-wrong") as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            await client.chat.completions.create(**chat_body(GPT))
    assert caught.value.code == "invalid_api_key"
    async with anthropic.AsyncAnthropic(base_url=vendors.url, api_key="sk-wrong") as claude:
        with pytest.raises(anthropic.AuthenticationError):
            await claude.messages.create(model=OPUS, max_tokens=9, messages=ASK)


async def test_unknown_claude_is_not_found(claude: anthropic.AsyncAnthropic) -> None:
    """A foreign model name is a 404."""
    with pytest.raises(anthropic.NotFoundError, match="model: gpt-4"):
        await claude.messages.create(model="gpt-4", max_tokens=9, messages=ASK)
