"""`response_format` by way of a helper tool whose input is the answer.

Anthropic's older models have no JSON mode, but what they put into a tool's input follows its schema. The
helper is never shown to the client: its input becomes the content, and the answer ends as `stop`.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from gateway.errors import InvalidRequest, Unsupported
from gateway.wire.anthropic_types import ABSENT, UNREADABLE, TextBlock, Tool, present
from gateway.wire.chat_to_messages.body import JsonSchema, ResponseFormat

HELPER = "gateway_json_answer"
"""The helper's name; a tool call of this name in an answer is the answer's content."""

_ANY_OBJECT = Raw(b'{"type":"object","additionalProperties":true}')
_PURPOSE = "Give the final answer with this tool. Its input is the answer itself: one JSON object."
_INSTRUCTION = (
    f"Your final answer has to be JSON. When you have it, call the tool `{HELPER}` once with the answer as"
    " its input, and write no other text. Until then you may call the other tools."
)


class _Root(Struct):
    type: Raw = ABSENT


_ROOT = msgspec.json.Decoder(_Root)
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])


def helper_tool(asked: ResponseFormat | None) -> Tool | None:
    """Return the helper tool for what was asked, None where plain text will do.

    Raises:
        InvalidRequest: `json_schema` without a schema, or a type that does not exist.
        Unsupported: a schema whose root is not an object, which no tool's input can be.

    """
    if asked is None or asked.type == "text":
        return None
    if asked.type == "json_object":
        return Tool(HELPER, _ANY_OBJECT, _PURPOSE)
    if asked.type != "json_schema":
        raise InvalidRequest(
            f"`{asked.type}` is not a response format; use text, json_object or json_schema",
            param="response_format.type",
        )
    schema = asked.json_schema or JsonSchema()
    described = f"{_PURPOSE} {schema.description}" if schema.description else _PURPOSE
    return Tool(HELPER, _root_object(schema), described)


def instruction() -> TextBlock:
    """Return what the system prompt adds where the helper cannot be forced."""
    return TextBlock(_INSTRUCTION)


def object_schema(schema: Raw) -> Raw:
    """Return `schema` with `"type": "object"` at its root, as Anthropic demands of a tool's input."""
    if not bytes(present(schema)):
        return Raw(b'{"type":"object","properties":{}}')
    members = _MEMBERS.decode(schema)
    if bytes(members.get("type", ABSENT)) == b'"object"':
        return schema
    return Raw(msgspec.json.encode(members | {"type": Raw(b'"object"')}))


def _root_object(asked: JsonSchema) -> Raw:
    place = "response_format.json_schema.schema"
    if not bytes(present(asked.schema)):
        raise InvalidRequest("a response format of type `json_schema` needs a schema", param=place)
    try:
        root = bytes(_ROOT.decode(asked.schema).type)
    except UNREADABLE as error:
        raise InvalidRequest("a JSON schema is an object", param=place) from error
    if root not in {b"", b'"object"'}:
        raise Unsupported(
            "this model can only follow a schema whose root is an object; wrap it in one", param=place
        )
    return object_schema(asked.schema)
