"""Telling Anthropic's thinking signatures from other vendors'."""

from __future__ import annotations

import re

# Base64 of a protobuf message whose first byte is 0x12 (field 2, a byte string), as every signature and
# every `redacted_thinking` payload in Anthropic's documentation and recorded traffic is. Opaque by
# contract, so nothing past the first byte is read; markers of other vendors (hex, UUIDs, plain words,
# nothing at all) do not match.
_SIGNATURE = re.compile(r"E[g-v][A-Za-z0-9+/]{22,}={0,2}")


def is_signature(text: str | None) -> bool:
    """Return whether `text` can be a signature Anthropic made."""
    return text is not None and _SIGNATURE.fullmatch(text) is not None
