"""The client's `metadata` object, as far as it is text."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


def text_values(metadata: Mapping[str, msgspec.Raw] | None) -> Mapping[str, str] | None:
    """Return the members that are strings, and lists of strings joined by commas; None without metadata."""
    if metadata is None:
        return None
    texts = {key: _text(msgspec.json.decode(value)) for key, value in metadata.items()}
    return {key: text for key, text in texts.items() if text is not None}


def _text(value: object) -> str | None:
    if isinstance(value, list):
        return ",".join(item for item in value if isinstance(item, str))
    return value if isinstance(value, str) else None
