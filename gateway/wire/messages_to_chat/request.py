"""A Messages request into a chat request."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from gateway.errors import InvalidRequest, Unsupported
from gateway.exchange import ChatRequest, Target
from gateway.wire.anthropic_types import present
from gateway.wire.chat_quirks import quirks_of
from gateway.wire.chat_to_messages.options import EFFORT_BUDGETS
from gateway.wire.chat_upstream.body import (
    Name,
    NamedFunction,
    SentChat,
    SentFormat,
    SentFunction,
    SentSchema,
    SentTool,
)
from gateway.wire.chat_upstream.vendors import ChatVendor, set_effort, set_limit, vendor_of
from gateway.wire.messages_to_chat.body import DeclaredTool, MessagesRequest, OutputFormat, read_body
from gateway.wire.messages_to_chat.conversation import translate

DROPPED: Mapping[str, str] = {
    "top_k": "OpenAI's dialect has no such setting; `temperature` and `top_p` travel",
    "cache_control": "chat vendors cache by prefix on their own",
    "thinking blocks": "only their maker can read them; see `ChatVendor.takes_reasoning`",
    "redacted_thinking": "only Anthropic can read it",
    "citations": "chat vendors cite nothing",
    "service_tier": "tiers of one vendor mean nothing to another",
    "context_management": "Anthropic's own editing of the history; the client's history is sent whole",
    "betas": "other vendors have none of them",
    "strict": "not every chat vendor knows it, and those that do refuse schemas Anthropic accepts",
}
"""What is left out on the way to a chat vendor, and why; so is any field this gateway does not know."""

MAX_STOPS = 4
"""OpenAI takes no more."""
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_OWN_TOOL = frozenset((None, "custom"))


def translate_request(request: ChatRequest, target: Target) -> bytes:
    """Return the chat body for `target`, not yet fitted to its vendor's quirks.

    Raises:
        Unsupported: what chat cannot say: tools Anthropic runs, MCP servers, foreign blocks.
        InvalidRequest: what neither vendor accepts.

    """
    body = read_body(request.raw)
    vendor = vendor_of(target.provider)
    _refuse(body, quirks_of(target.provider).max_stops or MAX_STOPS)
    sent = SentChat(
        model=target.model,
        messages=translate(body, vendor),
        temperature=body.temperature,
        top_p=body.top_p,
        stop=body.stop_sequences or None,
        response_format=_format(body),
        user=body.metadata.user_id if body.metadata else None,
        stream=request.stream,
    )
    set_limit(sent, vendor, body.max_tokens)
    set_effort(sent, vendor, wished_effort(body, vendor))
    _add_tools(body, sent)
    return msgspec.json.encode(sent)


def wished_effort(body: MessagesRequest, vendor: ChatVendor) -> str | None:
    """Return how hard the model should think, in OpenAI's words; None where nothing need be said.

    Claude thinks only when told to, and `max_tokens` is planned for that: a vendor that thinks unless told
    not to is told.
    """
    asked = body.thinking
    if asked is None or asked.type == "disabled":
        return "none" if vendor.switches_thinking else None
    effort = body.output_config.effort if body.output_config else None
    if asked.budget_tokens is None:
        return "high" if effort == "max" else effort or "medium"
    return next((name for name in ("low", "medium") if asked.budget_tokens <= EFFORT_BUDGETS[name]), "high")


def _refuse(body: MessagesRequest, max_stops: int) -> None:
    refusals = (
        ("mcp_servers", bool(body.mcp_servers), "this model calls no MCP servers; run them in the client"),
        ("container", bool(bytes(present(body.container))), "this model runs no code; leave `container` out"),
        (
            "stop_sequences",
            len(body.stop_sequences or ()) > max_stops,
            f"this model takes at most {max_stops} stop sequences; send fewer",
        ),
    )
    for param, refused, message in refusals:
        if refused:
            raise Unsupported(message, param=param)


def _format(body: MessagesRequest) -> SentFormat | None:
    asked = body.output_config.format if body.output_config else None
    asked = asked or body.output_format
    if asked is None:
        return None
    return SentFormat("json_schema", SentSchema("answer", _schema(asked), strict=True))


def _schema(asked: OutputFormat) -> Raw:
    if asked.type != "json_schema" or not bytes(present(asked.schema)):
        raise InvalidRequest(
            "an output format is of type `json_schema` and has a `schema`", param="output_config.format"
        )
    return asked.schema


def _add_tools(body: MessagesRequest, sent: SentChat) -> None:
    if not body.tools:
        return
    sent.tools = [_tool(tool, f"tools[{at}]") for at, tool in enumerate(body.tools)]
    choice = body.tool_choice
    if choice is None:
        return
    if choice.type == "tool" and choice.name:
        sent.tool_choice = NamedFunction(Name(choice.name))
    elif choice.type in _CHOICES:
        sent.tool_choice = _CHOICES[choice.type]
    else:
        raise InvalidRequest(
            f"`{choice.type}` is not a tool choice; use auto, any, tool or none", param="tool_choice.type"
        )
    sent.parallel_tool_calls = False if choice.disable_parallel_tool_use else None


def _tool(tool: DeclaredTool, place: str) -> SentTool:
    if tool.type not in _OWN_TOOL:
        raise Unsupported(
            f"the tool `{tool.type}` is Anthropic's own and cannot be sent to this model; declare a tool with"
            " an `input_schema`",
            param=f"{place}.type",
        )
    if not bytes(present(tool.input_schema)):
        raise InvalidRequest("a tool needs an `input_schema`, a JSON schema", param=f"{place}.input_schema")
    return SentTool(SentFunction(tool.name, tool.description, tool.input_schema))
