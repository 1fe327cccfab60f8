"""A client that waits hears from the gateway, and loses nothing by it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from anthropic import AsyncAnthropic
from openai import APIError
from running_gateway import CRITICAL, GLM, OPUS, ROUTINE, Launch, Running

from gateway.upstreams.scripted import Scenario

PING = b": keep-alive\n\n"
EVENT_PING = b'event: ping\ndata: {"type": "ping"}\n\n'
ASKED = {"messages": [{"role": "user", "content": ROUTINE}], "stream": True}
SLOW = Scenario(delay_first_ms=300)


@pytest.fixture
async def gateway(launch: Launch) -> Running:
    """Give a gateway that bears silence for a tenth of a second."""
    return await launch(server={"keepalive_seconds": 0.1})


def words(body: bytes) -> str:
    """Return the text of a chat stream, which must end well."""
    datas = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ")]
    assert datas.pop() == b"[DONE]"
    choices = [choice for data in datas for choice in json.loads(data)["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


async def test_thinking_vendor(gateway: Running, key: str) -> None:
    """While the vendor thinks, comments come; who served is told by one more when it is known."""
    gateway.vendors.script(GLM, SLOW)
    status, headers, body = await gateway.post(key, ASKED | {"model": "auto"})
    assert (status, headers["content-type"]) == (200, "text/event-stream")
    assert headers["x-gateway-decision-id"].startswith("dec_")
    assert "x-gateway-model" not in headers
    assert body.startswith(PING * 2)
    assert b"\n: x-gateway-model: glm-4.5\n" in body
    assert words(body)
    (row,) = await gateway.rows()
    assert (row["status"], row["http_status"]) == ("ok", 200)


async def test_pause_between_chunks(gateway: Running, key: str) -> None:
    """A pause in the middle is filled too, between events and never inside one."""
    gateway.vendors.script(GLM, Scenario(events=3, delay_event_ms=160))
    _, headers, body = await gateway.post(key, ASKED | {"model": "auto"})
    assert PING in body.partition(b"data: ")[2]
    assert all(
        block.startswith((b"data: {", b"data: [DONE]", b":")) for block in body.split(b"\n\n") if block
    )
    assert "x-gateway-tier" in headers or b": x-gateway-tier: base" in body


@pytest.mark.parametrize("every_s", [0, 60])
async def test_no_silence_no_comment(launch: Launch, every_s: float) -> None:
    """Who is not kept waiting, or asked for no comments, gets none, and all headers."""
    gateway = await launch(server={"keepalive_seconds": every_s})
    gateway.vendors.script(GLM, SLOW)
    _, headers, body = await gateway.post(await gateway.key(), ASKED | {"model": "auto"})
    assert headers["x-gateway-model"] == "glm-4.5"
    assert b"\n:" not in b"\n" + body


async def test_fallback_after_a_comment(gateway: Running, key: str) -> None:
    """A vendor that fails after a comment was sent is replaced all the same: nothing of an answer was."""
    gateway.vendors.script(GLM, Scenario(status=503, delay_first_ms=200))
    _, _, body = await gateway.post(key, ASKED | {"model": "auto"})
    assert body.startswith(PING)
    assert b"\n: x-gateway-tier: premium\n" in body
    assert words(body)
    (row,) = await gateway.rows()
    assert (row["model"], row["attempts"], row["status"]) == ("claude-opus-4-1", 2, "ok")


LENIENT = "pack: lenient\nfallback: {floor_may_fall: true}\n"


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": CRITICAL}]}),
        ("/v1/messages", {"messages": [{"role": "user", "content": CRITICAL}], "max_tokens": 50}),
        ("/v1/responses", {"input": CRITICAL}),
    ],
)
async def test_fallen_floor_after_a_comment(
    launch: Launch, tmp_path: Path, path: str, more: dict[str, object]
) -> None:
    """What a header would say once the headers are gone stands in a comment, and in the decision."""
    (tmp_path / "lenient.yaml").write_text(LENIENT, encoding="utf-8")
    gateway = await launch(
        policy={"packs": ["small.yaml", "lenient.yaml"]}, server={"keepalive_seconds": 0.1}
    )
    gateway.vendors.script(OPUS, Scenario(status=503, delay_first_ms=200))
    key = await gateway.key()

    status, headers, body = await gateway.post(key, {"model": "auto", "stream": True} | more, path)
    _, _, raw = await gateway.get(key, f"/v1/decisions/{headers['x-gateway-decision-id']}")

    assert (status, "x-gateway-below-floor" in headers) == (200, False)
    assert b"\n: x-gateway-below-floor: true\n" in body
    assert json.loads(raw)["record"]["fell_below_floor"] is True


async def test_failure_after_a_comment(gateway: Running, key: str) -> None:
    """When all have failed, the open stream ends in one error event that clients raise."""
    gateway.vendors.script("*", Scenario(status=503, delay_first_ms=150))
    status, _, body = await gateway.post(key, ASKED | {"model": "auto"})
    assert (status, body.count(b'"error":')) == (200, 1)
    assert body.endswith(b"data: [DONE]\n\n")
    with pytest.raises(APIError, match="overloaded"):
        async for _ in await gateway.client(key).chat.completions.create(**ASKED, model="auto"):
            pass
    (first, _) = await gateway.rows()
    assert (first["status"], first["http_status"], first["attempts"]) == ("failed", 200, 2)
    assert gateway.open_holds == 0


async def test_anthropic_clients_get_pings(gateway: Running, key: str) -> None:
    """In Anthropic's dialect the vendor's own ping event is used, and its client reads on."""
    gateway.vendors.script("*", SLOW)
    body = ASKED | {"model": "auto", "max_tokens": 100}
    assert (await gateway.post(key, body, "/v1/messages"))[2].startswith(EVENT_PING * 2)
    client = AsyncAnthropic(base_url=gateway.url, api_key=key, max_retries=0)
    asked = {"model": "auto", "max_tokens": 100, "messages": ASKED["messages"]}
    async with client.messages.stream(**asked) as stream:  # type: ignore[arg-type]
        assert (await stream.get_final_message()).stop_reason in {"end_turn", "max_tokens"}
    gateway.vendors.script("*", Scenario(status=503, delay_first_ms=150))
    broken = (await gateway.post(key, body, "/v1/messages"))[2]
    assert broken.rpartition(b"event: ")[2].startswith(b"error\n")
    await client.close()


async def test_responses_clients_read_on(gateway: Running, key: str) -> None:
    """The Responses client passes the comments over."""
    gateway.vendors.script("*", SLOW)
    kinds = [
        event.type
        async for event in await gateway.client(key).responses.create(
            model="auto", input=ROUTINE, stream=True
        )
    ]
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")


async def test_client_leaves_a_silent_stream(gateway: Running, key: str) -> None:
    """Who leaves while comments are sent cancels the vendor's work."""
    gateway.vendors.script(OPUS, Scenario(hang=True))
    body = json.dumps(ASKED | {"model": "claude-opus-4-1"})
    head = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    async with gateway.http.post(f"{gateway.url}/v1/chat/completions", data=body, headers=head) as response:
        assert (await response.content.readany()).startswith(PING)
    await gateway.vendors.wait_disconnect()
    (row,) = await gateway.closed(1)
    assert row["status"] == "cancelled"


async def test_first_token_has_a_limit(launch: Launch) -> None:
    """A vendor that begins a stream and then says nothing is given up for another."""
    gateway = await launch(router_settings={"first_byte_timeout": 0.3})
    gateway.vendors.script(GLM, Scenario(hang_after_events=1))
    _, headers, body = await gateway.post(await gateway.key(), ASKED | {"model": "auto"})
    assert (headers["x-gateway-tier"], headers["x-gateway-attempts"]) == ("premium", "2")
    assert words(body)
    assert (await gateway.rows("attempts"))[0]["outcome"] == "timeout"
