"""A Responses request as types; fields not named here are not translated.

Source: https://platform.openai.com/docs/api-reference/responses/create
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from gateway.wire.anthropic_types import ABSENT, UNREADABLE
from gateway.wire.invalid_body import invalid_body


class Part(Struct):
    """One part of a content; which fields are set depends on `type`."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    file_data: str | None = None
    filename: str | None = None


class Outcome(Struct):
    """A tool's output as older clients wrap it."""

    content: str = ""
    success: bool | None = None


class Item(Struct):
    """One item of the input; which fields are set depends on `type`, and none at all means a message."""

    type: str = "message"
    role: str = ""
    content: str | list[Part] | None = None
    id: str | None = None
    call_id: str | None = None
    name: str = ""
    namespace: str | None = None
    arguments: str = ""
    input: str = ""
    output: str | list[Part] | Outcome | None = None
    action: Raw = ABSENT
    summary: list[Part] | None = None
    encrypted_content: str | None = None


class ToolFormat(Struct):
    """What a custom tool's input must look like."""

    type: str = "text"
    syntax: str = ""
    definition: str = ""


class Tool(Struct):
    """A declared tool; which fields are set depends on `type`."""

    type: str = "function"
    name: str = ""
    description: str | None = None
    parameters: Raw = ABSENT
    strict: bool | None = None
    format: ToolFormat | None = None
    tools: list[Tool] | None = None
    """A namespace's own tools."""


class ChosenTool(Struct):
    """A tool that a choice names."""

    type: str = "function"
    name: str = ""
    namespace: str | None = None


class ToolChoice(ChosenTool):
    """The object form of `tool_choice`: one tool, or the tools that are allowed."""

    mode: str = "auto"
    tools: list[ChosenTool] | None = None


class Format(Struct):
    """What the answer has to be."""

    type: str = "text"
    name: str = "answer"
    description: str | None = None
    schema: Raw = ABSENT
    strict: bool | None = None


class TextOptions(Struct):
    """The answer's form."""

    format: Format | None = None


class Reasoning(Struct):
    """How hard the model should think."""

    effort: str | None = None


class ResponsesBody(Struct):
    """The request."""

    input: str | list[Item]
    instructions: str | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    tools: list[Tool] | None = None
    tool_choice: str | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    text: TextOptions | None = None
    reasoning: Reasoning | None = None
    user: str | None = None
    safety_identifier: str | None = None


_BODY = msgspec.json.Decoder(ResponsesBody)
_ITEM = msgspec.json.Decoder(Item)


def read_body(raw: bytes) -> ResponsesBody:
    """Return the request; raise InvalidRequest with the path of the first field of a wrong type."""
    try:
        return _BODY.decode(raw)
    except UNREADABLE as error:
        raise invalid_body(error) from error


def read_item(raw: Raw) -> Item:
    """Return one item; raise one of UNREADABLE."""
    return _ITEM.decode(raw)
