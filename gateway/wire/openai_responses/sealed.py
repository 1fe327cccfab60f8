"""Reasoning that its vendor signed, carried by Responses clients as `encrypted_content`.

Claude wants its signed thinking back with the results of the tools it called; a Responses client sends
reasoning items back as they came, `encrypted_content` included, and reads nothing in it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import msgspec

from gateway.wire.anthropic_types import UNREADABLE, RedactedThinkingBlock, ThinkingBlock

SignedBlock = ThinkingBlock | RedactedThinkingBlock

_MARK = "gateway1."
_BLOCKS = msgspec.json.Decoder(list[SignedBlock])


def seal(blocks: Sequence[SignedBlock]) -> str:
    """Return the blocks as one opaque text."""
    return _MARK + base64.b64encode(msgspec.json.encode(blocks)).decode()


def unseal(text: str | None) -> list[SignedBlock]:
    """Return the blocks `seal` took; none for another's text."""
    if text is None or not text.startswith(_MARK):
        return []
    try:
        return _BLOCKS.decode(base64.b64decode(text[len(_MARK) :], validate=True))
    except (*UNREADABLE, binascii.Error):
        return []
