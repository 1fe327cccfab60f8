from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientPayloadError, ClientSession, web
from aiohttp.test_utils import TestServer

from gateway.clock import FixedClock
from gateway.errors import BudgetExceeded, UpstreamRateLimited
from gateway.middleware.error_envelope import error_envelope
from gateway.middleware.request_scope import request_scope
from gateway.scope import DECIDED
from gateway.telemetry import Telemetry
from gateway.wire import build_codecs

ERRORS: dict[str, Exception] = {
    "budget": BudgetExceeded("no money"),
    "rate": UpstreamRateLimited("busy", retry_after_s=1.2),
    "payload": web.RequestPayloadError(),
    "teapot": web.HTTPUnsupportedMediaType(),
    "defect": ZeroDivisionError("secret detail"),
}


async def fail(request: web.Request) -> web.Response:
    """Raise what the query names, after an answer has begun if it says so."""
    if "begun" in request.query:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first words")
    if "decided" in request.query:
        request[DECIDED] = {"x-gateway-model": "glm-4.5"}
    raise ERRORS[request.query["error"]]


@pytest.fixture
async def telemetry() -> Telemetry:
    """Give metrics of their own."""
    return Telemetry()


@pytest.fixture
async def http(telemetry: Telemetry) -> AsyncIterator[ClientSession]:
    """Give a client of an application that only fails."""
    middlewares = [request_scope(FixedClock()), error_envelope(build_codecs(), telemetry)]
    app = web.Application(middlewares=middlewares)
    app.router.add_get("/v1/fail", fail)
    app.router.add_get("/v1/messages", fail)
    async with TestServer(app) as server, ClientSession(server.make_url("/")) as session:
        yield session


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("budget", 429, "budget_exceeded"),
        ("rate", 429, "upstream_rate_limited"),
        ("payload", 400, None),
        ("teapot", 415, None),
        ("defect", 500, "internal_error"),
    ],
)
async def test_every_error_has_a_shape(http: ClientSession, name: str, status: int, code: str | None) -> None:
    """Errors made on purpose, the framework's and our defects all become OpenAI's object."""
    async with http.get("/v1/fail", params={"error": name}) as response:
        told = await response.json()
    assert (response.status, told["error"]["code"]) == (status, code)
    assert response.headers["x-request-id"].startswith("req_")
    assert "secret detail" not in str(told)


async def test_shape_of_the_path(http: ClientSession) -> None:
    """A path of Anthropic's dialect gets Anthropic's object with the request id inside."""
    async with http.get("/v1/messages", params={"error": "budget"}) as response:
        told = await response.json()
    assert (told["type"], told["error"]["type"]) == ("error", "rate_limit_error")
    assert told["request_id"] == response.headers["x-request-id"]


async def test_wait_is_rounded_up(http: ClientSession) -> None:
    """`retry-after` is whole seconds, never less than the vendor asked for."""
    async with http.get("/v1/fail", params={"error": "rate"}) as response:
        assert response.headers["retry-after"] == "2"


async def test_decision_is_told(http: ClientSession) -> None:
    """An error that comes after a decision carries its headers."""
    async with http.get("/v1/fail", params={"error": "budget", "decided": "1"}) as response:
        assert response.headers["x-gateway-model"] == "glm-4.5"


@pytest.mark.parametrize("name", ["budget", "defect"])
async def test_begun_answer_is_cut(http: ClientSession, name: str) -> None:
    """No second answer is glued to one that has begun."""
    async with http.get("/v1/fail", params={"error": name, "begun": "1"}) as response:
        with pytest.raises(ClientPayloadError):
            await response.read()


async def test_counted(http: ClientSession, telemetry: Telemetry) -> None:
    """Errors are counted by code."""
    async with http.get("/v1/fail", params={"error": "defect"}):
        pass
    assert b'gateway_refusals_total{code="internal_error"} 1.0' in telemetry.exposition()
