"""A chat request as we write it for clients of other dialects.

Source: https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType

from gateway.wire.anthropic_types import ABSENT, RedactedThinkingBlock, ThinkingBlock
from gateway.wire.chat_to_messages.answer import ToolCallOut


class TextPart(Struct, tag_field="type", tag="text"):
    """Text."""

    text: str


class ImageUrl(Struct, omit_defaults=True):
    """An image by URL or data URI."""

    url: str
    detail: str | None = None


class ImagePart(Struct, tag_field="type", tag="image_url"):
    """An image."""

    image_url: ImageUrl


class FileData(Struct, omit_defaults=True):
    """A file as a data URI."""

    file_data: str
    filename: str | None = None


class FilePart(Struct, tag_field="type", tag="file"):
    """A file."""

    file: FileData


Part = TextPart | ImagePart | FilePart


class SystemTurn(Struct, tag_field="role", tag="system"):
    """What the operator of the conversation says."""

    content: str


class UserTurn(Struct, tag_field="role", tag="user"):
    """What the human says and shows."""

    content: str | list[Part]


class AssistantTurn(Struct, tag_field="role", tag="assistant"):
    """What the model said and called; reasoning only where the vendor takes it back."""

    content: str | None = None
    reasoning_content: str | UnsetType = UNSET
    thinking_blocks: list[ThinkingBlock | RedactedThinkingBlock] | UnsetType = UNSET
    tool_calls: list[ToolCallOut] | UnsetType = UNSET


class ToolTurn(Struct, tag_field="role", tag="tool"):
    """What a tool answered."""

    tool_call_id: str
    content: str | list[Part]


SentTurn = SystemTurn | UserTurn | AssistantTurn | ToolTurn


class SentFunction(Struct, omit_defaults=True):
    """What a function is called, does and takes."""

    name: str
    description: str | None = None
    parameters: Raw = ABSENT
    strict: bool | None = None


class SentTool(Struct):
    """A function the model may call."""

    function: SentFunction
    type: Literal["function"] = "function"


class Name(Struct):
    """The name of the function that must be called."""

    name: str


class NamedFunction(Struct):
    """The choice of one function."""

    function: Name
    type: Literal["function"] = "function"


class SentSchema(Struct, omit_defaults=True):
    """The schema the answer has to follow."""

    name: str
    schema: Raw
    description: str | None = None
    strict: bool | None = None


class SentFormat(Struct, omit_defaults=True):
    """What the answer has to be."""

    type: Literal["json_object", "json_schema"]
    json_schema: SentSchema | None = None


class ThinkingSwitch(Struct):
    """Z.ai's switch for reasoning."""

    type: Literal["enabled", "disabled"]


class SentChat(Struct, omit_defaults=True):
    """The request; only one of the two limits is set."""

    model: str
    messages: list[SentTurn]
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: list[str] | None = None
    tools: list[SentTool] | None = None
    tool_choice: str | NamedFunction | None = None
    parallel_tool_calls: bool | None = None
    response_format: SentFormat | None = None
    reasoning_effort: str | None = None
    thinking: ThinkingSwitch | None = None
    user: str | None = None
    stream: bool = False
