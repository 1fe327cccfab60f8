"""The listening side: sockets, signals, draining."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import tempfile
import time
from pathlib import Path
from typing import TypedDict, Unpack

import msgspec
import structlog
import uvloop
from aiohttp import web

from gateway.app import build_app
from gateway.clock import new_id
from gateway.config_file import Configuration
from gateway.entrance import enter
from gateway.errors import ConfigError, GatewayError, Internal, InvalidRequest
from gateway.listening import Acceptor, listen, url_of
from gateway.log_lines import configure_logging
from gateway.scope import SERVER_NAME
from gateway.siblings import Siblings
from gateway.wire.openai_chat import OpenAIChat
from gateway.workers import Leash, Supervisor

_MAX_HEADERS = 64 * 1024
_KEEP_ALIVE_S = 75.0
_AT_ONCE_S = 0.001
"""No time at all; the library takes 0 for no end."""
"""More than the idle time of common proxies, so that it is they who close."""


def serve(configuration: Configuration, *, host: str | None, port: int | None, workers: int | None) -> None:
    """Serve until SIGINT or SIGTERM; raise ConfigError for what cannot be started."""
    settings = configuration.settings.server
    wanted = workers or settings.workers
    configure_logging(configuration.settings.log)
    place = (host or settings.host, settings.port if port is None else port)
    if wanted > 1:
        _serve_many(configuration, place, wanted)
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(configuration, listen(*place)))


def _serve_many(configuration: Configuration, place: tuple[str, int], count: int) -> None:
    """Serve with several processes, among which the kernel shares out the connections."""
    if configuration.settings.general_settings.redis_url is None:
        raise ConfigError(
            f"{count} workers cannot share limits and budgets that are kept in memory; "
            "set general_settings.redis_url, or run one worker"
        )
    reserved = listen(*place, shared=True)  # never accepts, but keeps the port while workers come and go
    log = structlog.get_logger("gateway")
    with tempfile.TemporaryDirectory(prefix="gateway-") as folder:

        def work(number: int, leash: Leash) -> None:
            membership = _Membership(leash, Siblings(Path(folder), number))
            listening = listen(*reserved.getsockname()[:2], shared=True)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_run(configuration, listening, membership))

        supervisor = Supervisor(count, work, drain_s=configuration.settings.server.drain_seconds)
        source = str(configuration.path or "built in")
        supervisor.run(lambda: log.info("listening", url=url_of(reserved), config=source, workers=count))


class _Membership(msgspec.Struct, frozen=True):
    """What a process has that is one of several."""

    leash: Leash
    siblings: Siblings


async def start(configuration: Configuration, *, host: str, port: int) -> tuple[web.AppRunner, str]:
    """Start a gateway inside a running loop; return its runner (call `cleanup`) and its base URL."""
    listening = listen(host, port)
    runner = await _start_on(configuration, listening)
    return runner, url_of(listening)


async def _run(
    configuration: Configuration, listening: socket.socket, member: _Membership | None = None
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    runner = await _start_on(configuration, listening, None if member is None else member.siblings)
    settle_memory()
    log = structlog.get_logger("gateway")
    if member is None:
        log.info("listening", url=url_of(listening), config=str(configuration.path or "built in"))
    else:
        loop.add_reader(member.leash.life_fd, stop.set)
        member.leash.tell_ready()
    await stop.wait()
    if member is None:
        log.info("draining", seconds=configuration.settings.server.drain_seconds)
    else:
        loop.remove_reader(member.leash.life_fd)
    await runner.cleanup()


def settle_memory() -> None:
    """Spare the collector what lives as long as the process, and let it look at the rest less often.

    Requests leave hardly any cycles behind, and a look at every 700 objects costs some 4 % of a request. Nor
    is it worth a look at everything what little of the start could be let go of.
    """
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()


async def _start_on(
    configuration: Configuration, listening: socket.socket, siblings: Siblings | None = None
) -> web.AppRunner:
    runner = web.AppRunner(
        build_app(configuration, siblings=siblings),
        handler_cancellation=True,  # a client that leaves cancels its upstream call at once
        shutdown_timeout=configuration.settings.server.drain_seconds or _AT_ONCE_S,
    )
    try:
        await runner.setup()
        enter(runner)
        await _Site(runner, listening, configuration.settings.server.head_seconds).start()
    except BaseException:
        listening.close()
        await runner.cleanup()
        raise
    return runner


class _Site(web.BaseSite):
    """One listening socket whose connections answer even what is no HTTP in the API's own shape."""

    def __init__(self, runner: web.AppRunner, listening: socket.socket, head_s: float) -> None:
        super().__init__(runner)
        self._head_s = head_s
        self._listening = listening
        self._acceptor = Acceptor(listening, self._converse)

    @property
    def name(self) -> str:
        """Return the URL."""
        return url_of(self._listening)

    async def start(self) -> None:
        """Accept connections."""
        await super().start()
        self._acceptor.start()

    async def stop(self) -> None:
        """Accept no more."""
        self._acceptor.close()
        await super().stop()

    def _converse(self) -> Conversation:
        server = self._runner.server
        if server is None:
            raise ConnectionAbortedError("the gateway is stopping")
        return Conversation(
            server,
            head_s=self._head_s,
            loop=asyncio.get_running_loop(),
            access_log=None,
            auto_decompress=False,  # bodies are expanded within bounds, after authentication
            keepalive_timeout=_KEEP_ALIVE_S,
            max_line_size=_MAX_HEADERS,
            max_field_size=_MAX_HEADERS,
        )


class _Options(TypedDict):
    """What the library's connection is told."""

    loop: asyncio.AbstractEventLoop
    access_log: None
    auto_decompress: bool
    keepalive_timeout: float
    max_line_size: int
    max_field_size: int


class Conversation(web.RequestHandler):
    """One client connection; malformed HTTP is refused as JSON and never quoted: it may hold a key."""

    __slots__ = ("_head_s", "_head_timer")

    def __init__(self, manager: web.Server, *, head_s: float, **options: Unpack[_Options]) -> None:
        super().__init__(manager, **options)  # type: ignore[arg-type]  # no access log is said by None
        self._head_s = head_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the conversation; a client that drips its first head is not waited for."""
        super().connection_made(transport)
        self._head_timer = asyncio.get_running_loop().call_later(self._head_s, self._expect_head)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End the conversation."""
        self._head_timer.cancel()
        super().connection_lost(exc)

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - the library's own
        """Go on reading if reading had stopped; a body that came whole never stopped it."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def _expect_head(self) -> None:
        if not self._request_count:  # later heads are bounded by the keep-alive time
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - quotes the request
    ) -> web.StreamResponse:
        """Return the answer to what no route has seen, and end the connection."""
        if request.writer.output_size:
            raise ConnectionError("an answer has begun; it can only be cut")
        error: GatewayError = InvalidRequest(
            "this is not well-formed HTTP/1.1, or its headers are too long", status=status
        )
        if status >= Internal.status:
            structlog.get_logger("gateway").error("internal_error", exc_info=exc)
            error = Internal("internal error; see the gateway's log")
        request_id = new_id("req", time.time())
        response = web.Response(
            status=error.http_status,
            body=OpenAIChat().error_body(error, request_id),
            headers={"x-request-id": request_id, "server": SERVER_NAME},
            content_type="application/json",
        )
        response.force_close()
        return response
