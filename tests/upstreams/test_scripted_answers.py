"""The fake vendors, driven by the official clients and by raw HTTP: answers."""

from __future__ import annotations

import re

import anthropic
import httpx
import openai
import pytest
from scripted_calls import (
    ASK,
    GLM,
    GPT,
    OPUS,
    chat_body,
    chunks_of,
    post_chat,
    post_claude,
)

from gateway.upstreams.scripted import Vendors


async def test_same_ask_same_words(chat: openai.AsyncOpenAI) -> None:
    """An answer is a function of the ask, and says something about it."""
    first, second = [await chat.chat.completions.create(**chat_body()) for _ in range(2)]
    assert first.choices[0].message.content == second.choices[0].message.content
    assert "sandbox" in first.choices[0].message.content
    assert first.id != second.id


async def test_streamed_words_vary(chat: openai.AsyncOpenAI) -> None:
    """The stream joins to the plain answer, in many different pieces."""
    plain = await chat.chat.completions.create(**chat_body())
    stream = await chat.chat.completions.create(**chat_body(stream=True))
    pieces = [c.choices[0].delta.content or "" async for c in stream]
    assert "".join(pieces) == plain.choices[0].message.content
    assert len(set(pieces)) > 20


async def test_zai_chunks_keep_their_oddities(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """No `object`, the role on every delta, reasoning first, usage unasked beside the finish reason."""
    text = (await post_chat(http, vendors.zai_url, stream=True)).text
    chunks = chunks_of(text)
    assert all("object" not in chunk for chunk in chunks)
    assert all(chunk["choices"][0]["delta"]["role"] == "assistant" for chunk in chunks)
    assert "reasoning_content" in chunks[1]["choices"][0]["delta"]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["completion_tokens"] > 0
    assert text.endswith("data: [DONE]\n\n")


async def test_zai_thinking_turns_off(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """`thinking: disabled` means no reasoning; a plain answer carries `request_id`."""
    answer = (await post_chat(http, vendors.zai_url, thinking={"type": "disabled"})).json()
    assert "reasoning_content" not in answer["choices"][0]["message"]
    assert answer["request_id"] == answer["id"]


async def test_openai_shows_usage_when_asked(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """The textbook server adds one chunk without choices, and only on demand."""
    asked = await post_chat(
        http, vendors.openai_url, model=GPT, stream=True, stream_options={"include_usage": True}
    )
    unasked = await post_chat(http, vendors.openai_url, model=GPT, stream=True)
    assert chunks_of(asked.text)[-1]["choices"] == []
    assert chunks_of(asked.text)[-1]["usage"]["total_tokens"] > 0
    assert not any("usage" in chunk for chunk in chunks_of(unasked.text))


async def test_openai_gives_n_choices(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """`n` answers differ and are all counted."""
    one = (await post_chat(http, vendors.openai_url, model=GPT)).json()
    three = (await post_chat(http, vendors.openai_url, model=GPT, n=3)).json()
    assert len({choice["message"]["content"] for choice in three["choices"]}) == 3
    assert three["usage"]["completion_tokens"] > 2 * one["usage"]["completion_tokens"]


async def test_claude_streams_like_it_answers(claude: anthropic.AsyncAnthropic) -> None:
    """The client rebuilds the plain message from the events; usage is cumulative."""
    plain = await claude.messages.create(model=OPUS, max_tokens=300, messages=ASK)
    async with claude.messages.stream(model=OPUS, max_tokens=300, messages=ASK) as stream:
        streamed = await stream.get_final_message()
    assert streamed.content[0].text == plain.content[0].text
    assert streamed.usage.output_tokens == plain.usage.output_tokens > 20
    assert streamed.model == "claude-opus-4-5-20251101"


async def test_claude_event_order(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Start, block, ping, deltas, and the ending, each under its own event name."""
    text = (await post_claude(http, vendors.url, stream=True)).text
    names = re.findall(r"^event: (\w+)$", text, re.MULTILINE)
    assert names[:4] == ["message_start", "content_block_start", "ping", "content_block_delta"]
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]


async def test_glm_behind_anthropic_starts_at_zero(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Z.ai tells the input tokens only at the end."""
    text = (await post_claude(http, vendors.zai_anthropic_url, model=GLM, stream=True)).text
    events = chunks_of(text)
    assert events[0]["message"]["usage"] == {"input_tokens": 0, "output_tokens": 0}
    assert events[-2]["usage"]["input_tokens"] > 0


async def test_usage_follows_size(chat: openai.AsyncOpenAI) -> None:
    """About four bytes make a token."""
    body = chat_body(messages=[{"role": "user", "content": "word " * 4000}])
    answer = await chat.chat.completions.create(**body)
    assert 4900 < answer.usage.prompt_tokens < 5100


async def test_max_tokens_truncates(chat: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic) -> None:
    """A small limit ends the answer in the vendor's own word for it."""
    glm = await chat.chat.completions.create(**chat_body(max_tokens=5))
    opus = await claude.messages.create(model=OPUS, max_tokens=5, messages=ASK)
    assert glm.choices[0].finish_reason == "length"
    assert opus.stop_reason == "max_tokens"
    assert len(opus.content[0].text) <= 20


async def test_prompt_cache_written_then_read(claude: anthropic.AsyncAnthropic) -> None:
    """A marked prefix is written once and read by the next call, also when the conversation grew."""
    system = [{"type": "text", "text": "rules " * 900, "cache_control": {"type": "ephemeral"}}]
    first = await claude.messages.create(model=OPUS, max_tokens=50, system=system, messages=ASK)
    longer = [*ASK, {"role": "assistant", "content": "So."}, {"role": "user", "content": "And then?"}]
    second = await claude.messages.create(model=OPUS, max_tokens=50, system=system, messages=longer)
    assert first.usage.cache_creation_input_tokens > 1000
    assert first.usage.cache_read_input_tokens == 0
    assert second.usage.cache_read_input_tokens == first.usage.cache_creation_input_tokens
    assert second.usage.cache_creation_input_tokens == 0


async def test_long_cache_is_counted_apart(claude: anthropic.AsyncAnthropic) -> None:
    """A marker of one hour shows under its own name."""
    marker = {"type": "ephemeral", "ttl": "1h"}
    system = [{"type": "text", "text": "rules " * 900, "cache_control": marker}]
    answer = await claude.messages.create(model=OPUS, max_tokens=50, system=system, messages=ASK)
    assert answer.usage.cache_creation.ephemeral_1h_input_tokens > 1000
    assert answer.usage.cache_creation.ephemeral_5m_input_tokens == 0


async def test_thinking_signature_comes_back(claude: anthropic.AsyncAnthropic) -> None:
    """A streamed thought is signed, and accepted when echoed unchanged, refused when altered."""
    thinking = {"type": "enabled", "budget_tokens": 1024}
    async with claude.messages.stream(model=OPUS, max_tokens=2000, messages=ASK, thinking=thinking) as stream:
        thought = (await stream.get_final_message()).content[0]
    echo = {"type": "thinking", "thinking": thought.thinking, "signature": thought.signature}
    history = [*ASK, {"role": "assistant", "content": [echo]}, {"role": "user", "content": "Go on"}]
    await claude.messages.create(model=OPUS, max_tokens=2000, messages=history)
    echo["thinking"] += "!"
    with pytest.raises(anthropic.BadRequestError, match="Invalid `signature` in `thinking` block"):
        await claude.messages.create(model=OPUS, max_tokens=2000, messages=history)


async def test_counting_tokens(claude: anthropic.AsyncAnthropic) -> None:
    """The count is the prompt's that the answer bills."""
    counted = await claude.messages.count_tokens(model=OPUS, messages=ASK)
    assert counted.input_tokens > 5


async def test_embeddings_and_models(vendors: Vendors, claude: anthropic.AsyncAnthropic) -> None:
    """Both clients list their vendor's models; equal texts have equal vectors."""
    async with openai.AsyncOpenAI(base_url=vendors.openai_url, api_key="k") as client:
        made = await client.embeddings.create(model="embed", input=["a", "b", "a"], dimensions=8)
        names = [model.id async for model in client.models.list()]
    assert made.data[0].embedding == made.data[2].embedding != made.data[1].embedding
    assert GLM in names
    assert [model.type async for model in claude.models.list()] == ["model", "model"]
