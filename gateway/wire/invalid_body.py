"""A decoder's complaint about a client's body as the error the client sees."""

from __future__ import annotations

import re

from gateway.errors import InvalidRequest

_PLACE = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`$")
_MISSING = re.compile("missing required field `(.+?)`")


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
