"""The fake vendors' server: routes, credentials, scenarios and the record of what arrived."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
from aiohttp import web

from gateway.clock import Clock, SystemClock
from gateway.upstreams.scripted.anthropic import Anthropic
from gateway.upstreams.scripted.calls import CallLog, VendorCall, key_tail, public_headers
from gateway.upstreams.scripted.catalogue import embed, list_claude_models, list_models, refuse_nothing
from gateway.upstreams.scripted.chat import OpenAI
from gateway.upstreams.scripted.delivery import Delivery
from gateway.upstreams.scripted.json_view import JsonObject, text
from gateway.upstreams.scripted.scenario import HTTP_OK, Scenario, Script, parse_scenario
from gateway.upstreams.scripted.text import Stamp
from gateway.upstreams.scripted.vendor import Refusal, Rendering, Vendor
from gateway.upstreams.scripted.zai import Zai

PREFIX = "/scenario/"
MAX_BODY_BYTES = 64 * 1024 * 1024


class Endpoint(msgspec.Struct, frozen=True):
    """One route: who answers, what it refuses, and how it answers."""

    vendor: Vendor
    refuse: Callable[[JsonObject], Refusal | None]
    answer: Callable[[JsonObject, Scenario, Stamp], Rendering]


def _endpoints() -> dict[tuple[str, str], Endpoint]:
    openai, zai = OpenAI(), Zai()
    claude, glm = Anthropic(), Anthropic(native=False)
    return {
        ("POST", "/v1/chat/completions"): Endpoint(openai, openai.refuse_request, openai.answer),
        ("POST", "/v1/embeddings"): Endpoint(openai, refuse_nothing, embed),
        ("GET", "/v1/models"): Endpoint(openai, refuse_nothing, list_models),
        ("POST", "/api/paas/v4/chat/completions"): Endpoint(zai, zai.refuse_request, zai.answer),
        ("POST", "/api/paas/v4/embeddings"): Endpoint(zai, refuse_nothing, embed),
        ("GET", "/api/paas/v4/models"): Endpoint(zai, refuse_nothing, list_models),
        ("POST", "/v1/messages"): Endpoint(claude, claude.refuse_request, claude.answer),
        ("POST", "/v1/messages/count_tokens"): Endpoint(claude, claude.refuse_count, claude.count),
        ("GET", "/v1/models anthropic"): Endpoint(claude, refuse_nothing, list_claude_models),
        ("POST", "/api/anthropic/v1/messages"): Endpoint(glm, glm.refuse_request, glm.answer),
        ("POST", "/api/anthropic/v1/messages/count_tokens"): Endpoint(glm, glm.refuse_count, glm.count),
    }


class Vendors:
    """The running fake: where it listens, what it was asked, and how it is told to behave."""

    def __init__(self, script: Script, clock: Clock) -> None:
        self.url = ""
        """`http://host:port`, without a slash at the end."""
        self._script, self._clock = script, clock
        self._log = CallLog()
        self._endpoints = _endpoints()
        self._met: Counter[str] = Counter()
        self._serial = 0

    @property
    def zai_url(self) -> str:
        """Base URL for a client of Z.ai's OpenAI dialect."""
        return f"{self.url}/api/paas/v4"

    @property
    def zai_anthropic_url(self) -> str:
        """Base URL for an Anthropic client that talks to Z.ai."""
        return f"{self.url}/api/anthropic"

    @property
    def openai_url(self) -> str:
        """Base URL for an OpenAI client."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """Base URL for an Anthropic client."""
        return self.url

    @property
    def calls(self) -> list[VendorCall]:
        """Every call so far, oldest first."""
        return self._log.calls

    def script(self, model: str, scenario: Scenario) -> None:
        """Set what calls of `model` (`*`: any other model) meet from now on; `fail_first` counts anew."""
        self._script.set(model, scenario)
        self._met.clear()

    async def wait_disconnect(self, timeout_s: float = 5.0) -> VendorCall:
        """Return the next call whose client left before the end; raise TimeoutError."""
        return await self._log.wait_disconnect(timeout_s)

    async def wait_calls(self, count: int = 1, *, events: int = 0, timeout_s: float = 5.0) -> None:
        """Return once `count` calls arrived and the last was sent `events` events; raise TimeoutError."""
        await self._log.wait_calls(count, timeout_s, events)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        path, prefix = _split_prefix(request.rel_url.raw_path)
        dialect = " anthropic" if path == "/v1/models" and "anthropic-version" in request.headers else ""
        endpoint = self._endpoints.get((request.method, path + dialect))
        if endpoint is None:
            return web.json_response(
                {"error": {"message": f"Unknown request URL: {request.method} {path}"}}, status=404
            )
        try:
            body = _parse(await request.read())
            model = text(body.get("model"))
            scenario = parse_scenario(prefix) if prefix else self._script.find(model)
        except ValueError as error:
            return web.json_response({"error": {"message": str(error)}}, status=400)
        counted = prefix or model
        self._met[counted] += 1
        call = VendorCall(
            path=path,
            model=model,
            headers=public_headers(request.headers),
            key_tail=key_tail(request.headers),
            body=body,
            scenario=scenario.for_call(self._met[counted] - 1),
        )
        await self._log.add(call)
        return await self._watch(request, endpoint, call)

    async def _watch(self, request: web.Request, endpoint: Endpoint, call: VendorCall) -> web.StreamResponse:
        """Answer, and notice a client that leaves."""
        try:
            return await self._answer(request, endpoint, call)
        except (asyncio.CancelledError, ConnectionResetError):
            if not call.was_cut:
                self._log.mark_left(call)
            raise

    async def _answer(self, request: web.Request, endpoint: Endpoint, call: VendorCall) -> web.StreamResponse:
        self._serial += 1
        now, scenario = self._clock.now(), call.scenario
        stamp = Stamp(f"{self.url} {now} {self._serial}", now)
        delivery = Delivery(request, endpoint.vendor, call, self._log, stamp)
        if scenario.hang:
            await asyncio.Event().wait()
        await asyncio.sleep(scenario.delay_first_ms / 1000)
        if refusal := endpoint.vendor.refuse_caller(request.headers):
            return await delivery.refuse(refusal)
        if scenario.status != HTTP_OK:
            return await delivery.refuse(endpoint.vendor.failure(scenario.status, scenario.code))
        if refusal := endpoint.refuse(call.body):
            return await delivery.refuse(refusal)
        return await delivery.send(endpoint.answer(call.body, scenario, stamp))


def _split_prefix(raw_path: str) -> tuple[str, str]:
    """Return the path without `/scenario/.../`, and what stood there."""
    if not raw_path.startswith(PREFIX):
        return raw_path, ""
    prefix, _, rest = raw_path.removeprefix(PREFIX).partition("/")
    return f"/{rest}", prefix


def _parse(raw: bytes) -> JsonObject:
    parsed = msgspec.json.decode(raw) if raw else {}
    if not isinstance(parsed, dict):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 - a bad value from outside
    return parsed


@asynccontextmanager
async def serve_scripted(
    script: Script | None = None, *, host: str = "127.0.0.1", port: int = 0, clock: Clock | None = None
) -> AsyncIterator[Vendors]:
    """Serve the fake vendors on a socket (port 0: a free one) for the length of the block."""
    vendors = Vendors(script or Script(), clock or SystemClock())
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_route("*", "/{path:.*}", vendors.handle)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        bound = runner.addresses[0][1]
        vendors.url = f"http://{host}:{bound}"
        yield vendors
    finally:
        await runner.cleanup()
