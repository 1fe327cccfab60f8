"""A chat request into a Messages request."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gateway.errors import InvalidRequest, Unsupported
from gateway.exchange import ChatRequest, Target
from gateway.wire.anthropic_types import MessagesBody, Metadata, TextBlock, Tool, ToolChoice
from gateway.wire.chat_to_messages import options
from gateway.wire.chat_to_messages.body import ChatBody, read_body
from gateway.wire.chat_to_messages.conversation import Conversation, translate
from gateway.wire.chat_to_messages.json_answer import HELPER, helper_tool, instruction
from gateway.wire.chat_to_messages.tools import declared_tools, placeholder_tools, tool_choice

DROPPED: Mapping[str, str] = {
    "seed": "Anthropic draws without seeds; OpenAI promises no more than an attempt either",
    "presence_penalty": "Anthropic has no penalties",
    "frequency_penalty": "Anthropic has no penalties",
    "logit_bias": "token ids of one vendor mean nothing to another",
    "logprobs": "only `false` gets here; `true` is refused",
    "top_logprobs": "only 0 gets here; more is refused",
    "modalities": "only text gets here; audio is refused",
    "store": "nothing is stored at Anthropic",
    "metadata": "the gateway records it; Anthropic takes only a user's id",
    "service_tier": "tiers of one vendor mean nothing to another",
    "prediction": "a hint for speed only",
    "verbosity": "Anthropic has no such setting; the prompt decides",
    "prompt_cache_key": "Anthropic caches by `cache_control`, which travels",
    "safety_identifier": "`user` travels; two names for one person would be one too many",
    "web_search_options": "searching is OpenAI's own tool",
    "stream_options": "usage is always in Anthropic's streams; the relay shows it to who asked",
    "name": "a message's author has no place in Anthropic's turns",
    "reasoning_content": "unsigned reasoning is refused, and is no part of what was said",
    "strict": "Anthropic's own strict mode refuses schemas OpenAI's accepts",
    "detail": "Anthropic scales images itself",
}
"""What is left out on the way to Anthropic, which refuses unknown fields, and why; so is any field that
this gateway does not know."""

_USER_ID_CHARS = 256


class _Toolbox(msgspec.Struct, frozen=True):
    tools: list[Tool]
    choice: ToolChoice | None
    instructions: list[TextBlock]


def translate_request(request: ChatRequest, target: Target) -> bytes:
    """Return the body for `target`.

    Raises:
        Unsupported: what Anthropic cannot say: `n` > 1, logprobs, audio, foreign tools and parts.
        InvalidRequest: what neither vendor accepts.

    """
    body = read_body(request.raw)
    _refuse(body)
    conversation = translate(body.messages)
    toolbox = _toolbox(body, conversation)
    forced = toolbox.choice is not None and toolbox.choice.type in {"any", "tool"}
    may_think = conversation.can_think and not forced
    limits = options.plan_limits(body, target.max_output_tokens, may_think=may_think)
    sampling = options.plan_sampling(body, thinking=limits.thinking is not None)
    user = body.user if body.user and len(body.user) <= _USER_ID_CHARS else None
    return msgspec.json.encode(
        MessagesBody(
            model=target.model,
            max_tokens=limits.max_tokens,
            messages=conversation.turns,
            system=[*conversation.system, *toolbox.instructions],
            tools=toolbox.tools,
            tool_choice=toolbox.choice,
            stop_sequences=options.stop_sequences(body),
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            thinking=limits.thinking,
            metadata=Metadata(user) if user else None,
            stream=request.stream,
        )
    )


def _refuse(body: ChatBody) -> None:
    if not body.messages:
        raise InvalidRequest("`messages` is empty; send at least one message", param="messages")
    refusals = (
        ("n", (body.n or 1) > 1, "this model gives one answer at a time; leave `n` out or send 1"),
        ("logprobs", bool(body.logprobs), "this model gives no log probabilities; leave `logprobs` out"),
        ("top_logprobs", bool(body.top_logprobs), "this model gives no log probabilities; leave them out"),
        ("modalities", "audio" in (body.modalities or ()), "this model answers in text; ask for `text` only"),
    )
    for param, refused, message in refusals:
        if refused:
            raise Unsupported(message, param=param)


def _toolbox(body: ChatBody, conversation: Conversation) -> _Toolbox:
    """Gather the client's tools, what stands in for missing ones, and the JSON helper.

    The helper is forced where it is the only tool that may be called. Beside the client's tools or thinking,
    which a forced choice would exclude, the system prompt asks for it instead.
    """
    tools = declared_tools(body)
    choice = tool_choice(body) if tools else None
    if not tools and conversation.called_tools:
        tools, choice = placeholder_tools(conversation.called_tools), ToolChoice("none")
    helper = helper_tool(body.response_format)
    if helper is None:
        return _Toolbox(tools, choice, [])
    forbidden = choice is not None and choice.type == "none"
    thinks = not forbidden and conversation.can_think and options.wants_thinking(body)
    if (forbidden or not tools) and not thinks:
        return _Toolbox([*tools, helper], ToolChoice("tool", HELPER, disable_parallel_tool_use=True), [])
    return _Toolbox([*tools, helper], choice, [instruction()])
