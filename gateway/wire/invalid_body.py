"""A decoder's complaint about a client's body as the error the client sees."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from gateway.errors import InvalidRequest
from gateway.wire.anthropic_types import UNREADABLE

Shape = TypeVar("Shape")

_PLACE = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`$")
_MISSING = re.compile("missing required field `(.+?)`")


def decode_body(raw: bytes, decoder: msgspec.json.Decoder[Shape]) -> Shape:
    """Return a client's body as the decoder's shape; raise InvalidRequest naming the first fault.

    Every byte is checked to be UTF-8, also those in parts that are kept undecoded.
    """
    try:
        if not raw.isascii():
            raw.decode()
        return decoder.decode(raw)
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the request body is not UTF-8 at byte {error.start}") from None
    except UNREADABLE as error:
        raise invalid_body(error) from None


def invalid_body(error: Exception) -> InvalidRequest:
    """Return the error for bytes that do not fit, `param` being the path of the first field at fault."""
    words = str(error)
    place = _PLACE.search(words)
    param = place[1] if place else ""
    reason = words[: place.start()] if place else words
    missing = _MISSING.search(reason)
    if missing:
        name = f"{param}.{missing[1]}" if param else missing[1]
        return InvalidRequest(f"`{name}` is missing; it is required", param=name)
    if not param:
        return InvalidRequest(f"the request body cannot be read as a JSON object: {_lower(reason)}")
    return InvalidRequest(f"`{param}` is not valid: {_lower(reason)}", param=param)


def _lower(reason: str) -> str:
    return reason[:1].lower() + reason[1:] if not reason.startswith("JSON") else reason
