"""An OpenAI chat request as the translation reads it; fields not named here are not translated."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from gateway.wire.anthropic_types import ABSENT, UNREADABLE
from gateway.wire.invalid_body import invalid_body


class ImageUrl(Struct):
    """An image by URL or data URI; `detail` means nothing to Anthropic."""

    url: str


class File(Struct):
    """A file, inline as a data URI or by an id in OpenAI's file store."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class Part(Struct):
    """One part of a message's content; which fields are set depends on `type`."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None
    image_url: ImageUrl | str | None = None
    file: File | None = None
    source: Raw = ABSENT
    """Anthropic's own source object, of parts of type `document`."""
    title: str | None = None
    context: str | None = None
    citations: Raw = ABSENT
    cache_control: Raw = ABSENT


class Call(Struct):
    """A function's name and arguments: JSON text, or an object from clients that skip the text."""

    name: str
    arguments: Raw = ABSENT


class ToolCall(Struct):
    """One tool call of an assistant's message."""

    function: Call
    id: str = ""


class SignedThinking(Struct):
    """One thinking block as our answers and other gateways hand it to chat clients."""

    type: str = ""
    thinking: str = ""
    signature: str | None = None
    data: str | None = None


class ChatMessage(Struct):
    """One message of the conversation."""

    role: str
    content: str | list[Part] | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: Call | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    thinking_blocks: list[SignedThinking] | None = None
    is_error: bool | None = None
    cache_control: Raw = ABSENT


class Function(Struct):
    """What a function is called, does and takes."""

    name: str
    description: str | None = None
    parameters: Raw = ABSENT
    cache_control: Raw = ABSENT


class ChatTool(Struct):
    """A declared tool."""

    type: str = "function"
    function: Function | None = None
    cache_control: Raw = ABSENT


class Name(Struct):
    """The name of a function that must be called."""

    name: str


class NamedChoice(Struct):
    """The object form of `tool_choice`."""

    type: str = "function"
    function: Name | None = None


class JsonSchema(Struct):
    """The schema the answer has to follow."""

    name: str = ""
    description: str | None = None
    schema: Raw = ABSENT


class ResponseFormat(Struct):
    """What the answer has to be: `text`, `json_object` or `json_schema`."""

    type: str
    json_schema: JsonSchema | None = None


class ThinkingWish(Struct):
    """The vendors' `thinking` field, as chat clients pass it on."""

    type: str = ""
    budget_tokens: int | None = None


class ChatBody(Struct):
    """The request."""

    messages: list[ChatMessage]
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: str | list[str] | None = None
    n: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    modalities: list[str] | None = None
    tools: list[ChatTool] | None = None
    tool_choice: str | NamedChoice | None = None
    parallel_tool_calls: bool | None = None
    functions: list[Function] | None = None
    function_call: str | Name | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
    thinking: ThinkingWish | None = None
    user: str | None = None


class AnswerForm(Struct, frozen=True):
    """What the request says of the answer's form."""

    json: bool
    """The answer itself has to be JSON."""
    legacy_calls: bool
    """Calls are told as `function_call`, as to clients that declare `functions`."""


class _FormFields(Struct):
    response_format: ResponseFormat | None = None
    functions: list[Raw] | None = None


_BODY = msgspec.json.Decoder(ChatBody)
_FORM = msgspec.json.Decoder(_FormFields)
_PLAIN = AnswerForm(json=False, legacy_calls=False)


def read_body(raw: bytes) -> ChatBody:
    """Return the request; raise InvalidRequest with the path of the first field of a wrong type."""
    try:
        return _BODY.decode(raw)
    except UNREADABLE as error:
        raise invalid_body(error) from error


def answer_form(raw: bytes) -> AnswerForm:
    """Return the form the client of a translated request expects."""
    if b"response_format" not in raw and b"functions" not in raw:
        return _PLAIN
    fields = _FORM.decode(raw)
    asked = fields.response_format
    return AnswerForm(json=asked is not None and asked.type != "text", legacy_calls=bool(fields.functions))
