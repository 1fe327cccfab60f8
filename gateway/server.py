"""The listening side: sockets, signals, draining."""

from __future__ import annotations

import asyncio
import signal
import socket
import time

import structlog
import uvloop
from aiohttp import web

from gateway.app import build_app
from gateway.clock import new_id
from gateway.config_file import Configuration
from gateway.errors import ConfigError, GatewayError, Internal, InvalidRequest
from gateway.log_lines import configure_logging
from gateway.wire.openai_chat import OpenAIChat

BACKLOG = 2048
_MAX_HEADERS = 64 * 1024
_KEEP_ALIVE_S = 75.0
"""More than the idle time of common proxies, so that it is they who close."""


def serve(configuration: Configuration, *, host: str | None, port: int | None, workers: int | None) -> None:
    """Serve until SIGINT or SIGTERM; raise ConfigError for what cannot be started."""
    settings = configuration.settings.server
    wanted = workers or settings.workers
    if wanted > 1:
        raise ConfigError(
            f"{wanted} workers need stores that several processes can share; "
            "run one worker, or several gateways behind a balancer with a database each"
        )
    configure_logging(configuration.settings.log)
    listening = _listen(host or settings.host, settings.port if port is None else port)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(configuration, listening))


async def start(configuration: Configuration, *, host: str, port: int) -> tuple[web.AppRunner, str]:
    """Start a gateway inside a running loop; return its runner (call `cleanup`) and its base URL."""
    listening = _listen(host, port)
    runner = await _start_on(configuration, listening)
    return runner, _url(listening)


async def _run(configuration: Configuration, listening: socket.socket) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    runner = await _start_on(configuration, listening)
    log = structlog.get_logger("gateway")
    log.info("listening", url=_url(listening), config=str(configuration.path or "built in"))
    await stop.wait()
    log.info("draining", seconds=configuration.settings.server.drain_seconds)
    await runner.cleanup()


async def _start_on(configuration: Configuration, listening: socket.socket) -> web.AppRunner:
    runner = web.AppRunner(
        build_app(configuration),
        handler_cancellation=True,  # a client that leaves cancels its upstream call at once
        shutdown_timeout=configuration.settings.server.drain_seconds,
    )
    try:
        await runner.setup()
        await _Site(runner, listening).start()
    except BaseException:
        listening.close()
        await runner.cleanup()
        raise
    return runner


class _Site(web.BaseSite):
    """One listening socket whose connections answer even what is no HTTP in the API's own shape."""

    def __init__(self, runner: web.AppRunner, listening: socket.socket) -> None:
        super().__init__(runner)
        self._listening = listening

    @property
    def name(self) -> str:
        """Return the URL."""
        return _url(self._listening)

    async def start(self) -> None:
        """Accept connections."""
        await super().start()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._converse, sock=self._listening, backlog=BACKLOG)

    def _converse(self) -> Conversation:
        server = self._runner.server
        if server is None:
            raise ConnectionAbortedError("the gateway is stopping")
        return Conversation(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # the way to say there is none
            auto_decompress=False,  # bodies are expanded within bounds, after authentication
            keepalive_timeout=_KEEP_ALIVE_S,
            max_line_size=_MAX_HEADERS,
            max_field_size=_MAX_HEADERS,
        )


class Conversation(web.RequestHandler):
    """One client connection; malformed HTTP is refused as JSON and never quoted: it may hold a key."""

    __slots__ = ()

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
            headers={"x-request-id": request_id},
            content_type="application/json",
        )
        response.force_close()
        return response


def _listen(host: str, port: int) -> socket.socket:
    """Return a bound socket; raise ConfigError when the address is taken or not ours."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, proto)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(f"cannot listen on `{host}` port {port}: {reason}; choose another --port") from None
    listening.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    return listening


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
