"""Reads a request's body: whole, decompressed, and never larger than the configured bound."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping

from aiohttp import HttpVersion11, web

from gateway.errors import InvalidRequest, PayloadTooLarge

_REQUEST_TIMEOUT, _UNSUPPORTED_MEDIA = 408, 415
_GZIP, _ZLIB, _DEFLATE = 31, 15, -15
"""Window sizes as zlib wants them: with gzip's frame, with zlib's, bare."""
_WINDOWS: Mapping[str, tuple[int, ...]] = {"gzip": (_GZIP,), "x-gzip": (_GZIP,), "deflate": (_ZLIB, _DEFLATE)}
"""RFC 9110 means zlib's frame by `deflate`; some clients send it bare."""
_SLOWEST_BYTES_PER_S = 4_096
"""A body that drips more slowly holds a connection for nothing."""
_TOO_LARGE = "the request body, decompressed, is larger than this gateway accepts"


async def invite_body(request: web.Request) -> None:
    """Let a client that waits for it send its body; no other expectation is met (RFC 9110, 10.1.1)."""
    if request.headers.get("expect", "").lower() == "100-continue" and request.version == HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself has not begun


async def read_body(request: web.Request, *, idle_s: float = 30.0) -> bytes:
    """Return the body as the client meant it; raise PayloadTooLarge or InvalidRequest.

    What is read off the wire and what it expands to are both bounded by the application's maximum; a
    client that sends nothing for `idle_s`, or after that time less than `_SLOWEST_BYTES_PER_S` on average, is
    not waited for.
    """
    is_here = request.content.is_eof()  # whole already: nobody is waited for, so no clock is set
    raw = request.content.read_nowait() if is_here else await _read_raw(request, idle_s)
    if len(raw) > request.client_max_size:
        raise PayloadTooLarge(_TOO_LARGE)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    return raw if encoding in {"", "identity"} else expand(raw, encoding, request.client_max_size)


async def _read_raw(request: web.Request, idle_s: float) -> bytes:
    parts: list[bytes] = []
    left = request.client_max_size
    loop = asyncio.get_running_loop()
    by = loop.time() + idle_s
    try:
        while not request.content.at_eof():
            async with asyncio.timeout_at(min(loop.time() + idle_s, by)):
                parts.append(await request.content.readany())
            left -= len(parts[-1])
            by += len(parts[-1]) / _SLOWEST_BYTES_PER_S
            if left < 0:
                raise PayloadTooLarge(_TOO_LARGE)
    except TimeoutError:
        message = f"too little of the request body arrived within {idle_s:g} seconds"
        raise InvalidRequest(message, status=_REQUEST_TIMEOUT) from None
    return parts[0] if len(parts) == 1 else b"".join(parts)


def expand(raw: bytes, encoding: str, limit: int) -> bytes:
    """Return `raw` decompressed; raise PayloadTooLarge past `limit` bytes, InvalidRequest if it cannot be."""
    windows = _WINDOWS.get(encoding)
    if windows is None:
        message = f"content-encoding `{encoding[:40]}` is not supported; send gzip, deflate or no encoding"
        raise InvalidRequest(message, param="content-encoding", status=_UNSUPPORTED_MEDIA)
    for window in windows:
        expanded = _expand(raw, window, limit)
        if expanded is not None:
            return expanded
    message = f"the request body is not whole {encoding} data"
    raise InvalidRequest(message, param="content-encoding")


def _expand(raw: bytes, window: int, limit: int) -> bytes | None:
    """Return the expanded bytes, None if they are not of this kind, cut short, or followed by others."""
    unpacker = zlib.decompressobj(window)
    try:
        expanded = unpacker.decompress(raw, limit + 1)
    except zlib.error:
        return None
    if len(expanded) > limit:
        raise PayloadTooLarge(_TOO_LARGE)
    return expanded if unpacker.eof and not unpacker.unused_data else None
