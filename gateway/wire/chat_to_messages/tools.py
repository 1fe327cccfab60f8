"""Declared tools and the choice among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Raw

from gateway.errors import InvalidRequest, Unsupported
from gateway.wire.anthropic_types import UNREADABLE, Tool, ToolChoice, present
from gateway.wire.chat_to_messages.body import ChatBody, ChatTool, Function, Name
from gateway.wire.chat_to_messages.json_answer import object_schema

_CHOICES: Mapping[str, Literal["auto", "any", "none"]] = {
    "auto": "auto",
    "none": "none",
    "required": "any",
    "any": "any",
}


def declared_tools(body: ChatBody) -> list[Tool]:
    """Return the tools the client declared, legacy `functions` included; `strict` is left out.

    Anthropic's own strict mode demands a beta header and refuses schemas OpenAI's accepts.
    """
    tools = [_tool(tool, at) for at, tool in enumerate(body.tools or ())]
    return tools + [_function(one, f"functions[{at}]") for at, one in enumerate(body.functions or ())]


def placeholder_tools(names: Sequence[str]) -> list[Tool]:
    """Return a tool for each name, for a history with calls of tools the request no longer declares."""
    return [Tool(name, object_schema(Raw()), "A tool used earlier in this conversation.") for name in names]


def tool_choice(body: ChatBody) -> ToolChoice | None:
    """Return the client's choice, None where it made none and parallel calls are not forbidden."""
    asked = body.tool_choice if body.tool_choice is not None else body.function_call
    one_at_a_time = body.parallel_tool_calls is False or bool(body.functions)
    if asked is None:
        return ToolChoice("auto", disable_parallel_tool_use=True) if one_at_a_time else None
    choice = _choice(asked) if isinstance(asked, str) else ToolChoice("tool", _chosen_name(body))
    choice.disable_parallel_tool_use = one_at_a_time and choice.type != "none"
    return choice


def _choice(asked: str) -> ToolChoice:
    kind = _CHOICES.get(asked)
    if kind is None:
        raise InvalidRequest(
            f"`{asked}` is not a tool choice; use auto, none, required or a function's name",
            param="tool_choice",
        )
    return ToolChoice(kind)


def _chosen_name(body: ChatBody) -> str:
    asked = body.tool_choice
    if asked is None and isinstance(body.function_call, Name):
        return body.function_call.name
    if asked is None or isinstance(asked, str) or asked.type != "function" or asked.function is None:
        raise Unsupported(
            "this model can only be told to call one function by name; use"
            ' `{"type": "function", "function": {"name": ...}}`',
            param="tool_choice",
        )
    return asked.function.name


def _tool(tool: ChatTool, at: int) -> Tool:
    if tool.type != "function" or tool.function is None:
        raise Unsupported(
            f"tools of type `{tool.type}` cannot be sent to this model; declare a function",
            param=f"tools[{at}].type",
        )
    made = _function(tool.function, f"tools[{at}].function")
    if bytes(present(tool.cache_control)):
        made.cache_control = present(tool.cache_control)
    return made


def _function(function: Function, place: str) -> Tool:
    try:
        schema = object_schema(function.parameters)
    except UNREADABLE as error:
        raise InvalidRequest(
            "a function's parameters are a JSON schema, an object", param=f"{place}.parameters"
        ) from error
    return Tool(function.name, schema, function.description, present(function.cache_control))
