"""What `/openapi.json` tells of the inference endpoints: the fields the gateway itself reads.

Bodies and answers are the vendors' own and may hold any further field; nothing is dropped. Sources:
https://platform.openai.com/docs/api-reference and https://docs.anthropic.com/en/api/messages
"""

from __future__ import annotations

from typing import Annotated

import msgspec

Model = Annotated[str, msgspec.Meta(min_length=1, description="`auto`, an alias, or a configured model.")]
Count = Annotated[int, msgspec.Meta(ge=1)]
Turns = Annotated[list[dict[str, msgspec.Raw]], msgspec.Meta(min_length=1)]
Objects = list[dict[str, msgspec.Raw]]


class ChatCompletionBody(msgspec.Struct):
    """A request of OpenAI Chat Completions."""

    model: Model
    messages: Turns
    stream: bool | None = None
    n: Count | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    tools: Objects | None = None
    metadata: dict[str, msgspec.Raw] | None = None


class ChatCompletion(msgspec.Struct):
    """A complete answer of Chat Completions."""

    choices: Objects
    usage: dict[str, msgspec.Raw] | None = None


class MessageBody(msgspec.Struct):
    """A request of Anthropic Messages."""

    model: Model
    messages: Turns
    max_tokens: Count
    stream: bool | None = None
    tools: Objects | None = None


class Message(msgspec.Struct):
    """A complete answer of Messages."""

    content: Objects
    role: str = "assistant"
    usage: dict[str, msgspec.Raw] | None = None


class ResponseBody(msgspec.Struct):
    """A request of OpenAI Responses, without stored state."""

    model: Model
    input: str | Objects
    stream: bool | None = None
    max_output_tokens: Count | None = None
    tools: Objects | None = None


class ResponseAnswer(msgspec.Struct):
    """A complete answer of Responses."""

    output: Objects
    status: str = "completed"
    usage: dict[str, msgspec.Raw] | None = None


class EmbeddingBody(msgspec.Struct):
    """A request of OpenAI Embeddings."""

    model: Model
    input: str | list[str | int | list[int]]


class Embeddings(msgspec.Struct):
    """An answer of Embeddings."""

    data: Objects
    usage: dict[str, msgspec.Raw] | None = None


class CountBody(msgspec.Struct):
    """What is to be counted: a request of Messages, which need not bound its answer."""

    model: Model
    messages: Turns


class Counted(msgspec.Struct):
    """An upper bound of the input's tokens."""

    input_tokens: int
