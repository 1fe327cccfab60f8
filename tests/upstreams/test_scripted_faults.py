"""The fake vendors, driven by the official clients and by raw HTTP: faults."""

from __future__ import annotations

import anthropic
import httpx
import pytest
from scripted_calls import (
    ASK,
    GLM,
    GPT,
    OPUS,
    chunks_of,
    post_chat,
    post_claude,
    read_stream,
)

from gateway.upstreams.scripted import Scenario, Vendors


async def test_rate_limit_waits(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """A 429 carries a bare retry-after and each vendor's own error."""
    base = f"{vendors.url}/scenario/status=429,retry_after=34"
    glm = await post_chat(http, f"{base}/api/paas/v4")
    opus = await post_claude(http, base)
    assert (glm.status_code, glm.headers["retry-after"], glm.json()["error"]["code"]) == (429, "34", "1302")
    assert (opus.headers["retry-after"], opus.json()["error"]["type"]) == ("34", "rate_limit_error")


async def test_empty_account_has_its_code(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Z.ai's 1113 looks like a rate limit and is none."""
    vendors.script(GLM, Scenario(status=429, code="1113"))
    error = (await post_chat(http, vendors.zai_url)).json()["error"]
    assert error == {
        "code": "1113",
        "message": "Insufficient balance or no resource package. Please recharge.",
    }


@pytest.mark.parametrize(("body", "starts"), [("json", b'{"'), ("html", b"<html>"), ("empty", b"")])
@pytest.mark.parametrize("status", [500, 503, 529])
async def test_error_bodies(
    status: int, body: str, starts: bytes, vendors: Vendors, http: httpx.AsyncClient
) -> None:
    """A failure may come as JSON, as a proxy's page, or as nothing."""
    answer = await post_claude(http, f"{vendors.url}/scenario/status={status},body={body}")
    assert answer.status_code == status
    assert answer.content[:6].startswith(starts)
    assert bool(answer.content) is bool(starts)


async def test_fails_first_then_answers(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """`fail_first` counts calls, and a new script starts the count again."""
    for _ in range(2):
        vendors.script(GLM, Scenario(fail_first=2, status=500))
        statuses = [(await post_chat(http, vendors.zai_url)).status_code for _ in range(3)]
        assert statuses == [500, 500, 200]


async def test_fail_first_in_a_url(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Without a named fault the first calls are 503s."""
    base = f"{vendors.url}/scenario/fail_first=1,retry_after=7/v1"
    first, second = [await post_chat(http, base, model=GPT) for _ in range(2)]
    assert (first.status_code, first.headers["retry-after"]) == (503, "7")
    assert second.status_code == 200


@pytest.mark.parametrize("events", [1, 4])
async def test_cut_stream_raises(vendors: Vendors, http: httpx.AsyncClient, events: int) -> None:
    """The socket closes after N whole events, without the end of the body."""
    url = f"{vendors.url}/scenario/cut_after_events={events}/v1/messages"
    got = bytearray()
    with pytest.raises(httpx.RemoteProtocolError):
        await read_stream(http, url, got)
    assert got.count(b"\n\n") == events
    assert (vendors.calls[0].was_cut, vendors.calls[0].closed_early) == (True, False)


async def test_silent_end_looks_whole(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """The body ends as HTTP wants it, N events long, without a word of its being cut."""
    got = bytearray()
    await read_stream(http, f"{vendors.url}/scenario/end_after_events=4/v1/messages", got)
    assert (got.count(b"\n\n"), b"message_stop" in got) == (4, False)


async def test_cut_plain_answer_raises(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """A plain answer stops short of its content-length."""
    with pytest.raises(httpx.RemoteProtocolError):
        await post_chat(http, f"{vendors.url}/scenario/cut_after_events=1/v1", model=GPT)


async def test_error_before_any_output(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """HTTP 200, one role chunk, then the vendor's error, and no clean end."""
    text = (
        await post_chat(http, f"{vendors.url}/scenario/error_after_events=1/api/paas/v4", stream=True)
    ).text
    role, failed = chunks_of(text)
    assert role["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert failed["error"]["code"] == "1234"
    assert "[DONE]" not in text


async def test_claude_error_event(vendors: Vendors) -> None:
    """Anthropic's client raises the error it finds in a stream."""
    base = f"{vendors.url}/scenario/error_after_events=6"
    async with anthropic.AsyncAnthropic(base_url=base, api_key="k", max_retries=0) as client:
        with pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
            async with client.messages.stream(model=OPUS, max_tokens=99, messages=ASK) as stream:
                await stream.get_final_message()


async def test_error_inside_plain_200(vendors: Vendors, http: httpx.AsyncClient) -> None:
    """Without a stream the same fault is a 200 that holds an error."""
    answer = await post_chat(http, f"{vendors.url}/scenario/error_after_events=1/v1", model=GPT)
    assert (answer.status_code, answer.json()["error"]["type"]) == (200, "server_error")


@pytest.mark.parametrize(("scenario", "content"), [("garbage=true", b"<html>"), ("empty=true", b"")])
async def test_garbage_and_empty(
    scenario: str, content: bytes, vendors: Vendors, http: httpx.AsyncClient
) -> None:
    """A 200 that is no answer, streamed or not."""
    for stream in (False, True):
        answer = await post_claude(http, f"{vendors.url}/scenario/{scenario}", stream=stream)
        assert answer.status_code == 200
        assert answer.content[:6] == content
