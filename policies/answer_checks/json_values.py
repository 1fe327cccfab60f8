"""JSON values as JSON sees them: Python's own `==` takes `1` for `true`."""

from __future__ import annotations

from collections.abc import Hashable

MAX_DEPTH = 64


class TooDeep(ValueError):
    """A value nests deeper than is looked at."""


def fingerprint(value: object, depth: int = 0) -> Hashable:
    """Return a key that is equal for equal JSON values; raise TooDeep past 64 levels."""
    if depth > MAX_DEPTH:
        raise TooDeep
    if isinstance(value, dict):
        return ("object", frozenset((key, fingerprint(item, depth + 1)) for key, item in value.items()))
    if isinstance(value, list):
        return ("array", tuple(fingerprint(item, depth + 1) for item in value))
    if isinstance(value, bool) or value is None:
        return ("literal", value)
    if isinstance(value, int | float):
        return ("number", value)
    return ("string", str(value))


def json_type(value: object) -> str:
    """Return the JSON type of a decoded value; whole floats are integers, as the standard has it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, float) and not value.is_integer():
        return "number"
    if isinstance(value, int | float):
        return "integer"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"
