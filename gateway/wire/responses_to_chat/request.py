"""A Responses request into a chat request."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from gateway.errors import InvalidRequest, Unsupported
from gateway.exchange import ChatRequest, Target
from gateway.wire.anthropic_types import present
from gateway.wire.chat_upstream.body import SentChat, SentFormat, SentSchema
from gateway.wire.chat_upstream.vendors import set_effort, set_limit, vendor_of
from gateway.wire.openai_responses.body import Format, ResponsesBody, read_body
from gateway.wire.responses_to_chat.conversation import translate
from gateway.wire.responses_to_chat.tools import choose, open_toolbox

DROPPED: Mapping[str, str] = {
    "include": "reasoning that can be sent back always comes along; nothing else can be included",
    "metadata": "the gateway records it",
    "prompt_cache_key": "chat vendors cache by prefix on their own",
    "service_tier": "tiers of one vendor mean nothing to another",
    "truncation": "what is too long is refused, never cut",
    "max_tool_calls": "it bounds tools OpenAI runs, of which there are none here",
    "text.verbosity": "other vendors have no such setting; the prompt decides",
    "reasoning.summary": "a vendor that shows its reasoning shows all of it",
    "stream_options": "there is no obfuscation to switch off",
}
"""What is left out on the way to a chat vendor, and why; so is any field this gateway does not know."""


def translate_request(request: ChatRequest, target: Target) -> bytes:
    """Return the chat body for `target`, not yet fitted to its vendor's quirks.

    For a target that speaks Messages, it is what the bridge from chat to Messages understands best.

    Raises:
        Unsupported: what chat cannot say: tools OpenAI runs, stored files, log probabilities.
        InvalidRequest: what no vendor accepts.

    """
    body = read_body(request.raw)
    if body.top_logprobs:
        raise Unsupported("no log probabilities can be had here; leave them out", param="top_logprobs")
    vendor = vendor_of(target.provider)
    for_messages = target.dialect == "messages"
    tools, choice = choose(open_toolbox(body.tools), body.tool_choice)
    sent = SentChat(
        model=target.model,
        messages=translate(body, takes_reasoning=vendor.takes_reasoning, shows_results=for_messages),
        temperature=body.temperature,
        top_p=body.top_p,
        tools=tools or None,
        tool_choice=choice,
        parallel_tool_calls=body.parallel_tool_calls if tools else None,
        response_format=_format(body),
        user=body.user or body.safety_identifier,
        stream=request.stream,
    )
    set_limit(sent, vendor, body.max_output_tokens)
    effort = body.reasoning.effort if body.reasoning else None
    if for_messages:
        sent.reasoning_effort = effort
    else:
        set_effort(sent, vendor, effort)
    return msgspec.json.encode(sent)


def _format(body: ResponsesBody) -> SentFormat | None:
    asked = body.text.format if body.text else None
    if asked is None or asked.type == "text":
        return None
    if asked.type == "json_object":
        return SentFormat("json_object")
    if asked.type != "json_schema":
        raise InvalidRequest(
            f"`{asked.type}` is not a format; use text, json_object or json_schema", param="text.format.type"
        )
    return SentFormat("json_schema", SentSchema(asked.name, _schema(asked), asked.description, asked.strict))


def _schema(asked: Format) -> Raw:
    if not bytes(present(asked.schema)):
        raise InvalidRequest("a format of type `json_schema` needs a schema", param="text.format.schema")
    return asked.schema
