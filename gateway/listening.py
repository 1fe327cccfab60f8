"""Sockets that listen."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from contextlib import suppress

import structlog

from gateway.errors import ConfigError

BACKLOG = 2048
_AT_ONCE = 256
"""How many newcomers are taken in before those who are being served have their turn again."""
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


def listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Return a bound socket, perhaps one of many on its port; raise ConfigError when it is not to be had."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, proto)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind(address)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(f"cannot listen on `{host}` port {port}: {reason}; choose another --port") from None
    listening.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    return listening


def url_of(listening: socket.socket) -> str:
    """Return the URL under which a socket is reached."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Acceptor:
    """Takes in whoever has connected, many at a time.

    The event loop's own server takes in one a round: under load, most of a thousand newcomers would wait for
    many seconds while the first few are served again and again.
    """

    def __init__(
        self, listening: socket.socket, converse: Callable[[], asyncio.Protocol], *, rest_s: float = 1.0
    ) -> None:
        """Take a bound socket and what makes the protocol of a connection.

        Where the process may open no more files, newcomers wait for `rest_s` before they are looked at again.
        """
        self._listening, self._converse, self._rest_s = listening, converse, rest_s
        self._loop = asyncio.get_running_loop()
        self._coming: set[asyncio.Task[None]] = set()
        self._rest: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Listen."""
        self._listening.listen(BACKLOG)
        self._loop.add_reader(self._listening.fileno(), self._take_in)

    def close(self) -> None:
        """Take in nobody any more."""
        if self._rest is not None:
            self._rest.cancel()
        self._loop.remove_reader(self._listening.fileno())
        self._listening.close()

    def _take_in(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, _ = self._listening.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    continue  # this one has left already
                self._pause(error)
                return
            accepted.setblocking(False)  # noqa: FBT003 - the standard library's own signature
            task = self._loop.create_task(self._welcome(accepted))
            self._coming.add(task)
            task.add_done_callback(self._coming.discard)

    async def _welcome(self, accepted: socket.socket) -> None:
        with suppress(OSError):  # it has left, or the gateway is stopping
            await self._loop.connect_accepted_socket(self._converse, accepted)
            return
        accepted.close()

    def _pause(self, error: OSError) -> None:
        structlog.get_logger("gateway").error("connections_exhausted", cause=error.strerror)
        self._loop.remove_reader(self._listening.fileno())
        self._rest = self._loop.call_later(self._rest_s, self.start)
