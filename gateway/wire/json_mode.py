"""A JSON schema for vendors that know only JSON mode: the schema goes into the instructions.

The vendor then sees to it that the answer is one JSON object, and the model follows the schema it was shown.
Whether it did is for the pack's `schema` answer check to say, which has the answer redone where it did not.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from gateway.wire.anthropic_types import ABSENT, UNREADABLE
from gateway.wire.in_words import InWords

INSTRUCTION = (
    "Answer with one JSON object and nothing else: no prose around it, no code fence. "
    "It must be valid against this JSON schema:\n"
)
_JSON_OBJECT = b'{"type":"json_object"}'


class _Schema(Struct):
    schema: Raw = ABSENT


class _Format(Struct):
    type: str = ""
    json_schema: _Schema | None = None


_FORMAT = msgspec.json.Decoder(_Format)


def in_json_mode(asked: bytes | None) -> InWords:
    """Return what to change where `asked`, a `response_format`, is a JSON schema; nothing otherwise."""
    try:
        wanted = _FORMAT.decode(asked or b"{}")
    except UNREADABLE:
        return InWords()
    if wanted.type != "json_schema" or wanted.json_schema is None or not bytes(wanted.json_schema.schema):
        return InWords()
    text = INSTRUCTION + bytes(wanted.json_schema.schema).decode()
    return InWords(replace={"response_format": _JSON_OBJECT}, instruction=text)
