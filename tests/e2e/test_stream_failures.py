from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from openai import APIError, AsyncOpenAI
from openai.types.chat import ChatCompletionChunk
from running_gateway import CRITICAL, GLM, OPUS, ROUTINE, Running

from gateway.upstreams.scripted import Scenario
from gateway.upstreams.scripted.scenario import parse_scenario

BOTH = pytest.mark.parametrize(("model", "vendor"), [("glm-4.5", GLM), ("claude-opus-4-1", OPUS)])
EARLY: dict[str, Scenario] = {
    "500": Scenario(status=500),
    "529": Scenario(status=529, body="html"),
    "rate": Scenario(status=429),
    "garbage": Scenario(garbage=True),
    "empty": Scenario(empty=True),
    "error in 200": Scenario(error_after_events=0),
    "cut": Scenario(cut_after_events=0),
    "refusal": Scenario(refusal=True),
    "bad request": Scenario(status=400),
    "our key": Scenario(status=401),
}


def streamed(model: str, text: str = ROUTINE) -> dict[str, object]:
    """Return a body that asks for a stream."""
    return {"model": model, "messages": [{"role": "user", "content": text}], "stream": True}


def events(body: bytes) -> list[dict[str, object]]:
    """Return the events of an SSE body but `[DONE]`, which must stand last."""
    datas = [line[6:] for line in body.decode().splitlines() if line.startswith("data: ")]
    assert datas.pop() == "[DONE]"
    return [json.loads(data) for data in datas]


async def read_broken(stream: AsyncIterator[ChatCompletionChunk]) -> tuple[str, APIError]:
    """Return the text that came and the error it ended in."""
    seen = ""
    try:
        async for chunk in stream:
            seen += chunk.choices[0].delta.content or ""
    except APIError as error:
        return seen, error
    raise AssertionError("the stream ended as if nothing had happened")


@BOTH
@pytest.mark.parametrize("fault", ["cut_after_events", "end_after_events", "error_after_events"])
async def test_failure_after_output(
    gateway: Running, client: AsyncOpenAI, model: str, vendor: str, fault: str
) -> None:
    """A stream that breaks ends in an error, is billed for what came, and is never started again."""
    gateway.vendors.script(vendor, parse_scenario(f"events=60,delay_event_ms=1,{fault}=20"))
    text, error = await read_broken(await client.chat.completions.create(**streamed(model)))
    (row,) = await gateway.rows()
    (attempt,) = await gateway.rows("attempts")
    assert text
    assert error.code in {"upstream_garbled", "upstream_error", "upstream_unavailable"}
    assert len(gateway.vendors.calls) == 1
    assert (row["status"], attempt["delivered"], attempt["estimated"]) == ("failed", 1, 1)
    assert attempt["output_tokens"] > 0
    assert attempt["outcome"] in {"cut_off", "server_error", "overloaded"}


@BOTH
async def test_one_error_event(gateway: Running, key: str, model: str, vendor: str) -> None:
    """On the wire the broken end is one error event and `[DONE]`, with the finish reason `error`."""
    gateway.vendors.script(vendor, Scenario(events=60, cut_after_events=20))
    status, _, body = await gateway.post(key, streamed(model))
    sent = events(body)
    assert status == 200
    assert [n for n, event in enumerate(sent) if "error" in event] == [len(sent) - 1]
    assert sent[-1]["choices"][0]["finish_reason"] == "error"  # type: ignore[index]
    assert sent[-1]["error"]["message"].startswith(model)  # type: ignore[index]


@pytest.mark.parametrize(
    ("fault", "outcome"), [("error_after_events", "server_error"), ("end_after_events", "cut_off")]
)
async def test_failure_before_output(gateway: Running, key: str, fault: str, outcome: str) -> None:
    """A 200 that fails before its first word falls back to one clean stream, and the books say why."""
    gateway.vendors.script(GLM, parse_scenario(f"{fault}=1,delay_event_ms=20"))
    _, headers, body = await gateway.post(key, streamed("auto"))
    sent = events(body)
    roles = [e for e in sent if e["choices"] and "role" in e["choices"][0]["delta"]]  # type: ignore[index]
    attempts = [(a["model"], a["outcome"], a["delivered"]) for a in await gateway.rows("attempts")]
    assert len(roles) == 1
    assert len({event["id"] for event in sent}) == 1
    assert (headers["x-gateway-attempts"], headers["x-gateway-tier"]) == ("2", "premium")
    assert attempts == [("glm-4.5", outcome, 0), ("claude-opus-4-1", "ok", 1)]


async def test_early_failure_is_billed_at_the_vendors_count(gateway: Running, key: str) -> None:
    """A prompt the vendor has counted before its stream broke is billed at that count, as an estimate."""
    for scenario in (Scenario(cut_after_events=1), Scenario()):
        gateway.vendors.script(OPUS, scenario)
        await gateway.post(key, streamed("claude-opus-4-1"))
    (broken,), (_, good) = await gateway.rows("attempts"), await gateway.rows()
    assert (broken["outcome"], broken["estimated"], broken["delivered"]) == ("cut_off", 1, 0)
    assert broken["input_tokens"] == good["input_tokens"] > 0


async def test_failure_before_output_under_a_floor(gateway: Running, key: str) -> None:
    """Where no fallback is allowed, an early failure is an HTTP error and not a broken stream."""
    gateway.vendors.script(OPUS, Scenario(error_after_events=1))
    status, headers, body = await gateway.post(key, streamed("auto", CRITICAL))
    assert status == 503
    assert headers["content-type"].startswith("application/json")
    assert headers["x-gateway-decision-id"].startswith("dec_")
    assert json.loads(body)["error"]["code"] == "upstream_unavailable"
    assert {call.model for call in gateway.vendors.calls} == {OPUS}


@pytest.mark.parametrize("name", EARLY)
async def test_streaming_changes_nothing(gateway: Running, key: str, name: str) -> None:
    """A request meets the same fate streamed and not: status, error, tier and vendors asked."""
    fates = []
    for stream in (False, True):
        gateway.vendors.script(GLM, EARLY[name])
        gateway.vendors.calls.clear()
        status, headers, body = await gateway.post(key, streamed("auto") | {"stream": stream})
        error = json.loads(body)["error"] if status != 200 else None
        fates.append((status, error, headers.get("x-gateway-tier"), [c.model for c in gateway.vendors.calls]))
    assert fates[0] == fates[1]


async def test_refusal_is_not_crossed(gateway: Running, key: str) -> None:
    """What one vendor refuses is not carried to another."""
    gateway.vendors.script(GLM, Scenario(refusal=True))
    await gateway.post(key, streamed("auto"))
    assert {call.model for call in gateway.vendors.calls} == {GLM}
