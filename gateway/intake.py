"""Reads a request's body: whole, decompressed, and never larger than the configured bound."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping

from aiohttp import web

from gateway.errors import InvalidRequest, PayloadTooLarge

_REQUEST_TIMEOUT, _UNSUPPORTED_MEDIA = 408, 415
_GZIP, _ZLIB, _DEFLATE = 31, 15, -15
"""Window sizes as zlib wants them: with gzip's frame, with zlib's, bare."""
_WINDOWS: Mapping[str, tuple[int, ...]] = {"gzip": (_GZIP,), "x-gzip": (_GZIP,), "deflate": (_ZLIB, _DEFLATE)}
"""RFC 9110 means zlib's frame by `deflate`; some clients send it bare."""


async def read_body(request: web.Request, *, within_s: float = 300.0) -> bytes:
    """Return the body as the client meant it; raise PayloadTooLarge or InvalidRequest.

    What is read off the wire and what it expands to are both bounded by the application's maximum; a
    client that sends nothing more does not hold its connection longer than `within_s`.
    """
    try:
        async with asyncio.timeout(within_s):
            raw = await request.read()
    except TimeoutError:
        message = f"the request body did not arrive within {within_s:g} seconds"
        raise InvalidRequest(message, status=_REQUEST_TIMEOUT) from None
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    return raw if encoding in {"", "identity"} else expand(raw, encoding, request.client_max_size)


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
        raise PayloadTooLarge("the request body, decompressed, is larger than this gateway accepts")
    return expanded if unpacker.eof and not unpacker.unused_data else None
