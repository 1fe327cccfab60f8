"""What a response holds, as types.

Source: https://platform.openai.com/docs/api-reference/responses/object
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType

from policies.pricing import Usage

Status = Literal["in_progress", "completed", "incomplete"]


class SummaryText(Struct, tag_field="type", tag="summary_text"):
    """Reasoning in words."""

    text: str


class ReasoningItem(Struct, tag_field="type", tag="reasoning"):
    """Reasoning; what is sealed comes back with the next request."""

    id: str
    summary: list[SummaryText]
    encrypted_content: str | None = None


class OutputText(Struct, tag_field="type", tag="output_text"):
    """Text."""

    text: str
    annotations: tuple[()] = ()
    logprobs: tuple[()] = ()


class Refusal(Struct, tag_field="type", tag="refusal"):
    """Why the model will not answer."""

    refusal: str


class MessageItem(Struct, tag_field="type", tag="message"):
    """What the model says."""

    id: str
    status: Status
    content: list[OutputText | Refusal]
    role: Literal["assistant"] = "assistant"


class FunctionCallItem(Struct, tag_field="type", tag="function_call"):
    """A call of a function."""

    id: str
    status: Status
    call_id: str
    name: str
    arguments: str
    namespace: str | UnsetType = UNSET


class CustomCallItem(Struct, tag_field="type", tag="custom_tool_call"):
    """A call of a custom tool, whose input is free text."""

    id: str
    status: Status
    call_id: str
    name: str
    input: str
    namespace: str | UnsetType = UNSET


class ShellAction(Struct, tag_field="type", tag="exec"):
    """A command to run on the client's machine."""

    command: list[str]
    env: dict[str, str] = {}
    timeout_ms: int | None = None
    user: str | None = None
    working_directory: str | None = None


class ShellCallItem(Struct, tag_field="type", tag="local_shell_call"):
    """A call of the client's shell."""

    id: str
    status: Status
    call_id: str
    action: ShellAction


CallItem = FunctionCallItem | CustomCallItem | ShellCallItem
OutputItem = ReasoningItem | MessageItem | CallItem


class InputDetails(Struct):
    """How the cache was used."""

    cached_tokens: int
    cache_write_tokens: int


class OutputDetails(Struct):
    """What the output tokens were spent on."""

    reasoning_tokens: int


class ResponseUsage(Struct):
    """Token counts; the input includes the cache."""

    input_tokens: int
    input_tokens_details: InputDetails
    output_tokens: int
    output_tokens_details: OutputDetails
    total_tokens: int


class Incomplete(Struct):
    """Why a response is not complete."""

    reason: Literal["max_output_tokens", "content_filter"]


class SentResponse(Struct):
    """The response, with the request's settings as the client sent them."""

    id: str
    created_at: int
    model: str
    status: Status
    instructions: Raw
    max_output_tokens: int | None
    metadata: Raw
    parallel_tool_calls: bool
    reasoning: Raw
    temperature: float | None
    text: Raw
    tool_choice: Raw
    tools: Raw
    top_p: float | None
    user: str | None
    output: Sequence[OutputItem] = ()
    incomplete_details: Incomplete | None = None
    usage: ResponseUsage | None = None
    background: Literal[False] = False
    error: None = None
    object: Literal["response"] = "response"
    previous_response_id: None = None
    store: Literal[False] = False
    truncation: Literal["disabled"] = "disabled"


def response_usage(usage: Usage) -> ResponseUsage:
    """Return `usage` as Responses clients read it."""
    written = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
    return ResponseUsage(
        input_tokens=usage.prompt_tokens,
        input_tokens_details=InputDetails(usage.cache_read_tokens, written),
        output_tokens=usage.output_tokens,
        output_tokens_details=OutputDetails(usage.reasoning_tokens),
        total_tokens=usage.prompt_tokens + usage.output_tokens,
    )
