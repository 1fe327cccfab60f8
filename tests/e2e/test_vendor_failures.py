from __future__ import annotations

import json
import socket

import pytest
from running_gateway import CRITICAL, GLM, GLM_KEY, OPUS, ROUTINE, Json, Launch, Running, configure

from gateway.upstreams.scripted import Scenario, Vendors

FATES: dict[str, tuple[Scenario, int, str]] = {
    "500": (Scenario(status=500), 502, "upstream_error"),
    "500 html": (Scenario(status=500, body="html"), 502, "upstream_error"),
    "500 empty": (Scenario(status=500, body="empty"), 502, "upstream_error"),
    "529": (Scenario(status=529, code="1305"), 503, "upstream_unavailable"),
    "503 html": (Scenario(status=503, body="html"), 503, "upstream_unavailable"),
    "529 empty": (Scenario(status=529, body="empty"), 503, "upstream_unavailable"),
    "429 html": (Scenario(status=429, body="html"), 429, "upstream_rate_limited"),
    "401": (Scenario(status=401), 502, "upstream_error"),
    "403 html": (Scenario(status=403, body="html"), 502, "upstream_error"),
    "empty account": (Scenario(status=429, code="1113"), 502, "upstream_error"),
    "garbage": (Scenario(garbage=True), 502, "upstream_garbled"),
    "empty 200": (Scenario(empty=True), 502, "upstream_garbled"),
    "cut": (Scenario(cut_after_events=0), 502, "upstream_garbled"),
    "hang": (Scenario(hang=True), 504, "upstream_timeout"),
    "moved": (Scenario(status=302, body="html"), 502, "upstream_garbled"),
}


def body(model: str, *, stream: bool = False, text: str = ROUTINE, **more: object) -> Json:
    """Return a request for one answer."""
    return {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream, **more}


@pytest.mark.parametrize("name", FATES)
async def test_vendor_fails(launch: Launch, name: str) -> None:
    """Every failure is an error in OpenAI's shape, streamed or not, and the next call works."""
    scenario, status, code = FATES[name]
    gateway = await launch(router_settings={"first_byte_timeout": 0.2})
    key = await gateway.key()
    gateway.vendors.script(GLM, scenario)
    for stream in (False, True):
        answered, _, told = await gateway.post(key, body("glm-4.5", stream=stream))
        error = json.loads(told)["error"]
        assert (answered, error["code"], error["param"]) == (status, code, None)
        assert error["message"].startswith("glm-4.5 ")
        assert GLM_KEY not in told.decode()
    gateway.vendors.script(GLM, Scenario())
    assert (await gateway.post(key, body("glm-4.5")))[0] == 200


async def test_nobody_listens(launch: Launch, vendors: Vendors) -> None:
    """A vendor that cannot be reached is unavailable."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    config = configure(vendors)
    config["model_list"][0]["litellm_params"]["api_base"] = f"http://127.0.0.1:{port}"  # type: ignore[index]
    gateway = await launch(**config)
    key = await gateway.key()
    status, _, told = await gateway.post(key, body("glm-4.5"))
    assert (status, json.loads(told)["error"]["code"]) == (503, "upstream_unavailable")
    assert (await gateway.post(key, body("auto")))[1]["x-gateway-tier"] == "premium"


@pytest.mark.parametrize("stream", [False, True])
async def test_the_vendors_400_is_passed_on(gateway: Running, key: str, *, stream: bool) -> None:
    """What is wrong with the request itself comes in the vendor's words, without a second try elsewhere."""
    gateway.vendors.script(GLM, Scenario(status=400))
    status, _, told = await gateway.post(key, body("auto", stream=stream))
    error = json.loads(told)["error"]
    assert (status, error["type"], error["code"]) == (400, "invalid_request_error", "upstream_rejected")
    assert error["message"] == "Invalid API parameter, please check the documentation."
    assert [call.model for call in gateway.vendors.calls] == [GLM]


async def test_base_falls_back_to_premium(gateway: Running, key: str) -> None:
    """A base model that is down is replaced by the premium one, and the headers and books say so."""
    gateway.vendors.script(GLM, Scenario(status=503))
    status, headers, _ = await gateway.post(key, body("auto"))
    (row,) = await gateway.rows()
    assert (status, headers["x-gateway-tier"], headers["x-gateway-attempts"]) == (200, "premium", "2")
    assert headers["x-litellm-attempted-fallbacks"] == "1"
    assert headers["x-gateway-reason"].startswith(
        "glm-4.5 had an internal error, so claude-opus-4-1 serves; "
    )
    assert (row["tier"], row["model"], row["attempts"]) == ("premium", "claude-opus-4-1", 2)


async def test_headers_agree_when_all_fail(gateway: Running, key: str) -> None:
    """The error names the deployment and tier that were tried last, and how each failed."""
    gateway.vendors.script(GLM, Scenario(status=503))
    gateway.vendors.script(OPUS, Scenario(garbage=True))
    status, headers, _ = await gateway.post(key, body("auto"))
    assert (status, headers["x-gateway-tier"], headers["x-gateway-model"]) == (
        502,
        "premium",
        "claude-opus-4-1",
    )
    assert headers["x-gateway-reason"].startswith(
        "glm-4.5 had an internal error; claude-opus-4-1 sent an answer that"
    )
    (row,) = await gateway.rows()
    assert (row["tier"], row["model"]) == ("premium", "claude-opus-4-1")


@pytest.mark.parametrize("fault", [{"status": 503}, {"hang": True}, {"garbage": True}])
async def test_a_floor_never_falls(launch: Launch, fault: Json) -> None:
    """Critical work fails rather than being done by the base model."""
    gateway = await launch(router_settings={"first_byte_timeout": 0.2})
    gateway.vendors.script(OPUS, Scenario(**fault))  # type: ignore[arg-type]
    status, headers, _ = await gateway.post(await gateway.key(), body("auto", text=CRITICAL))
    assert status in {502, 503, 504}
    assert headers["x-gateway-tier"] == "premium"
    assert {call.model for call in gateway.vendors.calls} == {OPUS}


async def test_retries_stop_with_the_deadline(launch: Launch) -> None:
    """All attempts together end with the request's own deadline."""
    gateway = await launch(router_settings={"num_retries": 9, "timeout": 0.5})
    gateway.vendors.script("*", Scenario(status=503))
    status, headers, _ = await gateway.post(await gateway.key(), body("glm-4.5"))
    assert status == 502
    assert int(headers["x-gateway-attempts"]) < 4


@pytest.mark.parametrize("proxy", ["url", "environment"])
async def test_through_a_proxy(
    launch: Launch, vendors: Vendors, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    """A deployment behind a proxy is reached through it, streamed and not, and fails as others do."""
    monkeypatch.setenv("http_proxy", vendors.url)
    config = configure(vendors)
    config["model_list"][0]["litellm_params"] |= {  # type: ignore[index]
        "api_base": "http://vendor.invalid/api/paas/v4",
        "proxy": vendors.url if proxy == "url" else proxy,
    }
    gateway = await launch(**config)
    key = await gateway.key()
    for stream in (False, True):
        status, _, told = await gateway.post(key, body("glm-4.5", stream=stream))
        assert (status, b"choices" in told) == (200, True)
    vendors.script(GLM, Scenario(status=500))
    assert (await gateway.post(key, body("glm-4.5")))[0] == 502
    assert [call.headers["host"] for call in vendors.calls] == ["vendor.invalid"] * 3
