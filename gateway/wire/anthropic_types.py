"""Anthropic's Messages dialect as types: blocks, requests and answers.

Reading is tolerant: unknown fields are ignored, and unknown blocks read as None.
Source: https://docs.claude.com/en/api/messages
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Raw, Struct

ABSENT = Raw()
"""A JSON value that is not there; the default of every `Raw` field, so that it is left out when sent."""

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a decoder raises for bytes that do not fit: no JSON, no UTF-8, a wrong type, endless nesting."""


def present(value: Raw) -> Raw:
    """Return `value`, or ABSENT where the client wrote `null`."""
    return ABSENT if bytes(value) == b"null" else value


class TextBlock(Struct, tag_field="type", tag="text", omit_defaults=True):
    """Text, sent or received."""

    text: str
    cache_control: Raw = ABSENT


class ThinkingBlock(Struct, tag_field="type", tag="thinking"):
    """Visible reasoning; the signature lets the vendor trust it when it comes back."""

    thinking: str = ""
    signature: str | None = ""


class RedactedThinkingBlock(Struct, tag_field="type", tag="redacted_thinking"):
    """Reasoning the vendor encrypted."""

    data: str = ""


class ToolUseBlock(Struct, tag_field="type", tag="tool_use", omit_defaults=True):
    """One call of a client's tool; `input` is a JSON object."""

    id: str
    name: str
    input: Raw = ABSENT
    cache_control: Raw = ABSENT


class ImageBlock(Struct, tag_field="type", tag="image", omit_defaults=True):
    """An image by URL or as base64."""

    source: Source
    cache_control: Raw = ABSENT


class DocumentBlock(Struct, tag_field="type", tag="document", omit_defaults=True):
    """A PDF or a plain text; `source` may be the client's own Anthropic object."""

    source: Source | Raw
    title: str | None = None
    context: str | None = None
    citations: Raw = ABSENT
    cache_control: Raw = ABSENT


class ToolResultBlock(Struct, tag_field="type", tag="tool_result", omit_defaults=True):
    """What a tool answered."""

    tool_use_id: str
    content: str | list[TextBlock | ImageBlock | DocumentBlock] = ""
    is_error: bool = False
    cache_control: Raw = ABSENT


class Source(Struct, omit_defaults=True):
    """Where an image or document comes from: `url`, or `data` with its media type."""

    type: Literal["url", "base64", "text"]
    url: str | None = None
    media_type: str | None = None
    data: str | None = None


SentBlock = (
    TextBlock
    | ThinkingBlock
    | RedactedThinkingBlock
    | ToolUseBlock
    | ImageBlock
    | DocumentBlock
    | ToolResultBlock
)
ReceivedBlock = TextBlock | ThinkingBlock | RedactedThinkingBlock | ToolUseBlock


class WireTurn(Struct):
    """One turn of the conversation we send."""

    role: Literal["user", "assistant"]
    content: list[SentBlock]


class Tool(Struct, omit_defaults=True):
    """A tool the model may call; the schema's root is an object."""

    name: str
    input_schema: Raw
    description: str | None = None
    cache_control: Raw = ABSENT


class ToolChoice(Struct, omit_defaults=True):
    """Whether the model may, must or must not call tools."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool = False


class Thinking(Struct):
    """Extended thinking, with the most tokens it may take."""

    budget_tokens: int
    type: Literal["enabled"] = "enabled"


class Metadata(Struct):
    """Whom the request is made for."""

    user_id: str


class MessagesBody(Struct, omit_defaults=True):
    """A request as we send it."""

    model: str
    max_tokens: int
    messages: list[WireTurn]
    system: list[TextBlock] = []
    tools: list[Tool] = []
    tool_choice: ToolChoice | None = None
    stop_sequences: list[str] = []
    temperature: float | None = None
    top_p: float | None = None
    thinking: Thinking | None = None
    metadata: Metadata | None = None
    stream: bool = False


class CacheCreation(Struct):
    """Tokens written to the cache, by how long they live."""

    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class OutputDetails(Struct):
    """What the output tokens were spent on."""

    thinking_tokens: int | None = None


class WireUsage(Struct):
    """Token counts; cumulative in a stream, and `input_tokens` excludes the cache."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None


class Message(Struct):
    """A complete answer, or an error body in its place; blocks are read one by one."""

    id: str = ""
    type: str = ""
    model: str = ""
    content: list[Raw] | None = None
    stop_reason: str | None = None
    usage: WireUsage | None = None
    error: Raw = ABSENT


class _Kind(Struct):
    type: str = ""


_BLOCK: msgspec.json.Decoder[ReceivedBlock] = msgspec.json.Decoder(ReceivedBlock)
_KIND = msgspec.json.Decoder(_Kind)
KNOWN_BLOCKS = frozenset(("text", "thinking", "redacted_thinking", "tool_use"))
"""The tags of `ReceivedBlock`."""


def read_block(raw: Raw) -> ReceivedBlock | None:
    """Return an answer's content block, None for kinds a client of another dialect has no use for.

    Raises:
        msgspec.DecodeError: a known kind that lacks what it must hold.

    """
    try:
        return _BLOCK.decode(raw)
    except UNREADABLE:
        if _KIND.decode(raw).type in KNOWN_BLOCKS:
            raise
        return None
