"""A Responses client's tools as chat functions, and the way back from a function's name to the tool."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import Raw

from gateway.errors import InvalidRequest, Unsupported
from gateway.wire.anthropic_types import present
from gateway.wire.chat_upstream.body import Name, NamedFunction, SentFunction, SentTool
from gateway.wire.openai_responses.body import ChosenTool, Tool, ToolChoice

Kind = Literal["function", "custom", "local_shell"]

LEFT_OUT: Mapping[str, str] = {
    "web_search": "Codex declares it with every request",
    "web_search_2025_08_26": "a dated name of the same",
    "web_search_preview": "its older name",
    "web_search_preview_2025_03_11": "a dated name of the same",
    "image_generation": "Codex declares it where it may be used",
    "tool_search": "loads tools later; those declared now are all here",
}
"""Tools OpenAI itself runs that clients declare unasked, and why they are left out instead of refused: the
model may use them and need not. A choice that demands one is refused."""

SHELL = "local_shell"
_MAX_NAME = 64
_FREE_TEXT = Raw(
    b'{"type":"object","properties":{"input":{"type":"string",'
    b'"description":"The whole input of the tool, as plain text"}},'
    b'"required":["input"],"additionalProperties":false}'
)
_SHELL_SCHEMA = Raw(
    b'{"type":"object","properties":{"command":{"type":"array","items":{"type":"string"},'
    b'"description":"The program and its arguments"},"working_directory":{"type":"string"},'
    b'"timeout_ms":{"type":"integer"}},"required":["command"]}'
)
_SHELL_PURPOSE = "Runs a program on the user's machine and returns its output."


class Origin(msgspec.Struct, frozen=True):
    """The client's tool behind a function."""

    kind: Kind
    name: str
    namespace: str | None = None


class Toolbox(msgspec.Struct, frozen=True):
    """The functions to send, and whose they are."""

    tools: Sequence[SentTool]
    origins: Mapping[str, Origin]


def function_name(name: str, namespace: str | None) -> str:
    """Return the one name of a tool in a namespace, within the 64 characters vendors take."""
    if not namespace:
        return name
    joined = f"{namespace}{name}" if namespace.endswith("__") else f"{namespace}__{name}"
    if len(joined) <= _MAX_NAME:
        return joined
    digest = hashlib.blake2b(joined.encode(), digest_size=4).hexdigest()
    return f"{joined[: _MAX_NAME - len(digest) - 1]}_{digest}"


def open_toolbox(tools: Sequence[Tool] | None) -> Toolbox:
    """Return the client's tools as functions; raise Unsupported for tools only OpenAI can run."""
    sent: list[SentTool] = []
    origins: dict[str, Origin] = {}
    for place, tool, namespace in _flattened(tools or ()):
        if tool.type in LEFT_OUT:
            continue
        origin, function = _function(tool, namespace, place)
        origins[function.name] = origin
        sent.append(SentTool(function))
    return Toolbox(sent, origins)


def choose(
    box: Toolbox, choice: str | ToolChoice | None
) -> tuple[list[SentTool], str | NamedFunction | None]:
    """Return the tools that may be called, and the choice among them; None where nothing was chosen.

    Raises:
        Unsupported: a tool that was left out is demanded.

    """
    tools = list(box.tools)
    if isinstance(choice, ToolChoice) and choice.type == "allowed_tools":
        allowed = {function_name(one.name, one.namespace) for one in choice.tools or ()}
        tools = [tool for tool in tools if tool.function.name in allowed]
        choice = choice.mode
    if isinstance(choice, ToolChoice):
        return tools, _named(box, choice)
    if choice == "required" and not tools:
        raise Unsupported("none of these tools can be sent to this model; declare functions", param="tools")
    return tools, choice if tools else None


def _named(box: Toolbox, choice: ChosenTool) -> NamedFunction:
    name = function_name(SHELL if choice.type == SHELL else choice.name, choice.namespace)
    if name not in box.origins:
        raise Unsupported(
            f"the tool `{choice.name or choice.type}` cannot be demanded of this model; name one you declare",
            param="tool_choice",
        )
    return NamedFunction(Name(name))


def _flattened(tools: Sequence[Tool]) -> Sequence[tuple[str, Tool, str | None]]:
    """Return every tool with its place and namespace."""
    found: list[tuple[str, Tool, str | None]] = []
    for at, tool in enumerate(tools):
        if tool.type == "namespace":
            inner = enumerate(tool.tools or ())
            found += [(f"tools[{at}].tools[{i}]", one, tool.name) for i, one in inner]
        else:
            found.append((f"tools[{at}]", tool, None))
    return found


def _function(tool: Tool, namespace: str | None, place: str) -> tuple[Origin, SentFunction]:
    if tool.type == SHELL:
        return Origin("local_shell", SHELL), SentFunction(SHELL, _SHELL_PURPOSE, _SHELL_SCHEMA)
    if tool.type not in {"function", "custom"}:
        raise Unsupported(
            f"tools of type `{tool.type}` run at OpenAI and cannot be sent to this model; declare a function",
            param=f"{place}.type",
        )
    if not tool.name:
        raise InvalidRequest("a tool needs a name", param=f"{place}.name")
    name = function_name(tool.name, namespace)
    if tool.type == "custom":
        return Origin("custom", tool.name, namespace), SentFunction(name, _purpose(tool), _FREE_TEXT)
    made = SentFunction(name, tool.description, present(tool.parameters), tool.strict or None)
    return Origin("function", tool.name, namespace), made


def _purpose(tool: Tool) -> str:
    """Return what a custom tool is for; its grammar goes in words, since no function can enforce it."""
    purpose = tool.description or ""
    if tool.format is None or tool.format.type != "grammar":
        return purpose
    return f"{purpose}\n\nThe input must match this {tool.format.syntax} grammar:\n{tool.format.definition}"
