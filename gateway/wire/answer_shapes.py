"""Answers, and what requests ask of them, as far as checking needs to read them; by client dialect."""

from __future__ import annotations

from msgspec import Raw, Struct

from gateway.wire.anthropic_types import ABSENT


class Function(Struct):
    """A call in Chat, or a declared function."""

    name: str = ""
    arguments: str = ""
    parameters: Raw = ABSENT


class Format(Struct):
    """How the answer has to look."""

    type: str = ""
    schema: Raw = ABSENT
    json_schema: Format | None = None


class Holder(Struct):
    """A call or a declared tool; Chat keeps its parts in `function`."""

    name: str = ""
    function: Function | None = None
    input_schema: Raw = ABSENT


class ChatMessage(Struct):
    """What Chat says."""

    content: str | None = None
    refusal: str | None = None
    tool_calls: list[Holder] | None = None
    function_call: Function | None = None
    audio: Raw = ABSENT


class Choice(Struct):
    """One of the answers asked for."""

    message: ChatMessage
    finish_reason: str | None = None


class ChatAnswer(Struct):
    """A chat completion."""

    choices: list[Choice]


class ChatAsked(Struct):
    """What a chat request asks of its answer."""

    tools: list[Holder] | None = None
    functions: list[Function] | None = None
    response_format: Format | None = None


class Block(Struct):
    """A block of an Anthropic message."""

    type: str
    text: str = ""
    name: str = ""
    input: Raw = ABSENT


class Message(Struct):
    """An Anthropic message."""

    content: list[Block]
    stop_reason: str | None = None


class OutputConfig(Struct):
    """Where Anthropic keeps the format."""

    format: Format | None = None


class MessagesAsked(Struct):
    """What an Anthropic request asks of its answer."""

    tools: list[Holder] | None = None
    output_format: Format | None = None
    output_config: OutputConfig | None = None


class Part(Struct):
    """A part of what a response says."""

    type: str
    text: str = ""
    refusal: str = ""


class Item(Struct):
    """An item of a response."""

    type: str
    content: list[Part] | None = None
    name: str = ""
    arguments: str = ""


class Incomplete(Struct):
    """Why a response is not complete."""

    reason: str = ""


class Response(Struct):
    """An OpenAI response."""

    output: list[Item]
    incomplete_details: Incomplete | None = None


class TextOptions(Struct):
    """Where Responses keeps the format."""

    format: Format | None = None


class ResponsesTool(Struct):
    """A tool declared to Responses."""

    type: str = ""
    name: str = ""
    parameters: Raw = ABSENT


class ResponsesAsked(Struct):
    """What a Responses request asks of its answer."""

    tools: list[ResponsesTool] | None = None
    text: TextOptions | None = None
