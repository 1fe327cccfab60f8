"""Read parsed JSON of any shape without trusting it."""

from __future__ import annotations

from typing import TypeAlias

JsonObject: TypeAlias = dict[str, object]


def field(value: object, *path: str) -> object:
    """Return what `path` leads to, or None where a step is missing."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def rows(value: object) -> list[object]:
    """Return the items of a list, or none."""
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    """Return a string, or an empty one."""
    return value if isinstance(value, str) else ""


def text_of(content: object) -> str:
    """Return the words of a message's content, whether a string or a list of blocks (tool results too)."""
    if isinstance(content, str):
        return content
    found = (text(field(part, "text")) or text_of(field(part, "content")) for part in rows(content))
    return "\n".join(filter(None, found))


def number(value: object) -> float | None:
    """Return a number, or None; booleans are none."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
