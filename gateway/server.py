"""The listening side: sockets, signals, draining."""

from __future__ import annotations

import asyncio
import signal
import socket

import structlog
import uvloop
from aiohttp import web

from gateway.app import build_app
from gateway.config_file import Configuration
from gateway.errors import ConfigError
from gateway.telemetry import configure_logging

BACKLOG = 2048
_MAX_HEADERS = 64 * 1024


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
        access_log=None,
        shutdown_timeout=configuration.settings.server.drain_seconds,
        max_line_size=_MAX_HEADERS,
        max_field_size=_MAX_HEADERS,
    )
    try:
        await runner.setup()
        await web.SockSite(runner, listening, backlog=BACKLOG).start()
    except BaseException:
        listening.close()
        await runner.cleanup()
        raise
    return runner


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
