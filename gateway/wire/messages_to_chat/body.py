"""A Messages request as the translation reads it; fields not named here are not translated."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from gateway.wire.anthropic_types import ABSENT, UNREADABLE
from gateway.wire.invalid_body import invalid_body


class BlockSource(Struct):
    """Where an image or a document comes from; which fields are set depends on `type`."""

    type: str = ""
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    content: str | list[Block] | None = None


class Block(Struct):
    """One content block; which fields are set depends on `type`."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    id: str = ""
    name: str = ""
    input: Raw = ABSENT
    tool_use_id: str = ""
    content: str | list[Block] | None = None
    is_error: bool | None = None
    source: BlockSource | str | None = None
    title: str | None = None
    context: str | None = None


class Message(Struct):
    """One message of the conversation."""

    role: str
    content: str | list[Block]


class DeclaredTool(Struct):
    """A tool of the client's, or one that Anthropic runs or defines (`type` says so)."""

    name: str = ""
    type: str | None = None
    description: str | None = None
    input_schema: Raw = ABSENT


class ToolChoice(Struct):
    """Whether the model may, must or must not call tools."""

    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Thinking(Struct):
    """Whether and how long the model should think."""

    type: str
    budget_tokens: int | None = None


class OutputFormat(Struct):
    """The schema the answer has to follow."""

    type: str = ""
    schema: Raw = ABSENT


class OutputConfig(Struct):
    """The answer's form, and the effort it is worth."""

    format: OutputFormat | None = None
    effort: str | None = None


class Metadata(Struct):
    """Whom the request is made for."""

    user_id: str | None = None


class MessagesRequest(Struct):
    """The request."""

    messages: list[Message]
    system: str | list[Block] | None = None
    max_tokens: int | None = None
    tools: list[DeclaredTool] | None = None
    tool_choice: ToolChoice | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None
    metadata: Metadata | None = None
    mcp_servers: list[Raw] | None = None
    container: Raw = ABSENT


_BODY = msgspec.json.Decoder(MessagesRequest)


def read_body(raw: bytes) -> MessagesRequest:
    """Return the request; raise InvalidRequest with the path of the first field of a wrong type."""
    try:
        return _BODY.decode(raw)
    except UNREADABLE as error:
        raise invalid_body(error) from error
