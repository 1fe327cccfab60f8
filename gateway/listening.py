"""Sockets that listen."""

from __future__ import annotations

import socket

from gateway.errors import ConfigError


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
