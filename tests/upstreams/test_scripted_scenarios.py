"""The fake vendors, driven by the official clients and by raw HTTP: scenarios."""

from __future__ import annotations

import asyncio
import json

import anthropic
import httpx
import openai
import pytest
from scripted_calls import (
    ASK,
    CHAT_HEADERS,
    CHAT_TOOLS,
    CLAUDE_HEADERS,
    GLM,
    GPT,
    OPUS,
    chat_body,
    chunks_of,
    claude_body,
    post_chat,
    post_claude,
)

from gateway.upstreams.scripted import Scenario, Script, Vendors, serve_scripted
from gateway.upstreams.scripted.scenario import parse_scenario


async def test_no_usage(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Usage stays away from streams and answers."""
    base = f"{vendors.url}/scenario/no_usage=true"
    glm = await post_chat(http, f"{base}/api/paas/v4", stream=True)
    opus = await post_claude(http, base, stream=True)
    assert not any("usage" in chunk for chunk in chunks_of(glm.text))
    assert chunks_of(opus.text)[0]["message"]["usage"] == {"input_tokens": 0, "output_tokens": 0}
    assert "usage" not in chunks_of(opus.text)[-2]
    assert "usage" not in (await post_chat(http, f"{base}/v1", model=GPT)).json()


async def test_usage_on_every_chunk(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Counts grow from chunk to chunk up to the true one."""
    base = f"{vendors.url}/scenario/usage_every_chunk=true"
    glm = await post_chat(http, f"{base}/api/paas/v4", stream=True)
    counts = [chunk["usage"]["completion_tokens"] for chunk in chunks_of(glm.text)]
    assert counts == sorted(counts)
    opus = chunks_of((await post_claude(http, base, stream=True)).text)
    assert len([event for event in opus if event["type"] == "message_delta"]) > 10


async def test_crumbs_and_crlf_change_nothing(vendors: Vendors) -> None:
    """Writes of three bytes cut characters and lines; clients see the same answer."""
    texts = []
    for prefix in ("", "/scenario/chunk_bytes=3,crlf"):
        async with (
            anthropic.AsyncAnthropic(base_url=vendors.url + prefix, api_key="k") as client,
            client.messages.stream(model=OPUS, max_tokens=99, messages=ASK) as stream,
        ):
            texts.append(await stream.get_final_text())
    assert texts[0] == texts[1]
    assert "“" in texts[0]


async def test_crumbs_split_characters(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Pieces arrive that are no UTF-8 by themselves, with CR LF between lines."""
    url = f"{vendors.url}/scenario/chunk_bytes=1,crlf,content=%C3%A9/v1/chat/completions"
    async with http.stream("POST", url, json=chat_body(GPT, stream=True), headers=CHAT_HEADERS) as answer:
        parts = [part async for part in answer.aiter_raw()]
    assert any(part.decode(errors="ignore").encode() != part for part in parts)
    assert b"\r\n\r\n" in b"".join(parts)
    assert b"\n\n" not in b"".join(parts)


async def test_broken_tool_json(vendors: Vendors, chat: openai.AsyncOpenAI) -> None:
    """Arguments that do not parse."""
    vendors.script(GLM, Scenario(broken_tool_json=True))
    body = chat_body(tools=CHAT_TOOLS, messages=[{"role": "user", "content": "call tool"}])
    answer = await chat.chat.completions.create(**body)
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.choices[0].message.tool_calls[0].function.arguments)


async def test_refusals(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Each vendor refuses in its own way."""
    base = f"{vendors.url}/scenario/refusal=true"
    glm = (await post_chat(http, f"{base}/api/paas/v4")).json()["choices"][0]
    gpt = (await post_chat(http, f"{base}/v1", model=GPT)).json()["choices"][0]
    opus = (await post_claude(http, base)).json()
    assert glm["finish_reason"] == "sensitive"
    assert (gpt["finish_reason"], gpt["message"]["content"]) == ("stop", None)
    assert "can't help" in gpt["message"]["refusal"]
    assert opus["stop_reason"] == "refusal"


async def test_truncated(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """The answer stops half way and says so."""
    whole = (await post_chat(http, vendors.zai_url)).json()["choices"][0]
    half = (await post_chat(http, f"{vendors.url}/scenario/truncated=true/api/paas/v4")).json()["choices"][0]
    assert half["finish_reason"] == "length"
    assert whole["message"]["content"].startswith(half["message"]["content"])


async def test_content_and_events(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """The text can be given, and the number of its pieces."""
    given = "a,b/c \u2028 %22 é"
    base = f"{vendors.url}/scenario/content=a%2Cb%2Fc%20%E2%80%A8%20%2522%20%C3%A9,events=4/v1"
    text = (await post_chat(http, base, model=GPT, stream=True)).content.decode()
    pieces = [json.loads(line[6:])["choices"][0]["delta"].get("content") for line in text.split("\n")[2:-6:2]]
    assert "".join(pieces) == given
    assert len(pieces) == 4


async def test_huge_event(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """One event of the size asked for."""
    answer = await post_claude(
        http, f"{vendors.url}/scenario/huge_event_kb=300", stream=True, max_tokens=30_000
    )
    assert max(map(len, answer.text.split("\n\n"))) > 300 * 1024


async def test_quirks(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Z.ai's index of -1 and its second finish."""
    vendors.script("*", Scenario(quirks=True))
    ask = [{"role": "user", "content": "call tool"}]
    chunks = chunks_of(
        (await post_chat(http, vendors.zai_url, stream=True, tools=CHAT_TOOLS, messages=ask)).text
    )
    assert [c["choices"][0].get("finish_reason") for c in chunks[-2:]] == ["tool_calls", "tool_calls"]
    assert chunks[-3]["choices"][0]["delta"]["tool_calls"][0]["index"] == -1


async def test_delays_hold_back(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Nothing is answered while the first event is delayed."""
    vendors.script(GLM, Scenario(delay_first_ms=60_000))
    sending = asyncio.create_task(post_chat(http, vendors.zai_url))
    await vendors.wait_calls(1)
    assert not sending.done()
    assert vendors.calls[0].status is None
    sending.cancel()
    assert (await vendors.wait_disconnect()).closed_early


async def test_event_delays_hold_back(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """The head is out while the first event waits."""
    vendors.script(GLM, Scenario(delay_event_ms=60_000))
    async with http.stream("POST", f"{vendors.zai_url}/chat/completions", json=chat_body(stream=True),
                           headers=CHAT_HEADERS) as answer:  # fmt: skip
        assert answer.status_code == 200
        assert vendors.calls[0].events_sent == 0
    assert (await vendors.wait_disconnect()).model == GLM


async def test_hang_ends_with_the_client(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """A hanging call is noticed when its client leaves, and other calls are served meanwhile."""
    vendors.script(GLM, Scenario(hang=True))
    hanging = asyncio.create_task(post_chat(http, vendors.zai_url))
    await vendors.wait_calls(1)
    assert (await post_claude(http, vendors.url)).status_code == 200
    hanging.cancel()
    assert (await vendors.wait_disconnect()) is vendors.calls[0]
    assert [call.closed_early for call in vendors.calls] == [True, False]


async def test_leaving_mid_stream_is_seen(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """A client that stops reading in the middle is recorded with what it was sent."""
    vendors.script(OPUS, Scenario(hang_after_events=5))
    body = claude_body(model=OPUS, stream=True, max_tokens=64_000)
    async with http.stream("POST", f"{vendors.url}/v1/messages", json=body, headers=CLAUDE_HEADERS):
        await vendors.wait_calls(1, events=5)
    assert (await vendors.wait_disconnect()).events_sent == 5


async def test_no_disconnect_times_out(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """A client that stayed to the end did not leave."""
    await post_claude(http, vendors.url, stream=True)
    assert not vendors.calls[0].closed_early
    with pytest.raises(TimeoutError):
        await vendors.wait_disconnect(0.01)


async def test_calls_are_recorded_without_secrets(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Path, model, body and harmless headers are kept; of the key only its tail."""
    await post_claude(http, f"{vendors.url}/scenario/no_usage=true", metadata={"user_id": "u"})
    call = vendors.calls[0]
    assert (call.path, call.model, call.key_tail, call.status) == (
        "/v1/messages",
        "claude-opus-4-1",
        "9876",
        200,
    )
    assert call.body["metadata"] == {"user_id": "u"}
    assert call.headers["anthropic-version"] == "2023-06-01"
    assert call.scenario == Scenario(no_usage=True)
    assert "sk-test" not in str(call)


async def test_script_given_at_start(http: httpx.AsyncClient) -> None:
    """A script steers from the first call; a URL's scenario wins over it."""
    async with serve_scripted(Script({GLM: Scenario(status=503)})) as vendors:
        scripted = await post_chat(http, vendors.zai_url)
        by_url = await post_chat(http, f"{vendors.url}/scenario/status=529/api/paas/v4")
        other = await post_chat(http, vendors.zai_url, model="glm-4.5-air")
    assert [scripted.status_code, by_url.status_code, other.status_code] == [503, 529, 200]


@pytest.mark.parametrize("text", ["statsu=429", "status=abc", "status=99", "body=xml", "events=-1"])
async def test_unreadable_scenario_is_told(text: str, vendors: Vendors, http: httpx.AsyncClient) -> None:
    """A misspelt scenario is an error that lists the names, not an answer."""
    with pytest.raises(ValueError, match="unreadable scenario"):
        parse_scenario(text)
    answer = await post_claude(http, f"{vendors.url}/scenario/{text}")
    assert answer.status_code == 400
    assert "retry_after" in answer.json()["error"]["message"]


async def test_unknown_path_is_not_found(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """What no vendor serves is a 404."""
    assert (await http.post(f"{vendors.url}/v1/nothing", json={})).status_code == 404


@pytest.mark.parametrize("raw", [b"{", b"[1]"])
async def test_unreadable_body(raw: bytes, vendors: Vendors, http: httpx.AsyncClient) -> None:
    """A body that is no JSON object is a 400."""
    url = f"{vendors.openai_url}/chat/completions"
    assert (await http.post(url, content=raw, headers=CHAT_HEADERS)).status_code == 400
