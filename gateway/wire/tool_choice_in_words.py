"""A tool choice for vendors that let the model choose and nothing else.

Which tools may be called is settled by sending no others, so `none` and a named function bind. That one must
be called is told to the model; Z.ai's own field knows `auto` alone.

Source: https://docs.z.ai/api-reference/llm/chat-completion
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
from msgspec import Raw, Struct

from gateway.errors import InvalidRequest, Unsupported
from gateway.wire.anthropic_types import UNREADABLE
from gateway.wire.in_words import InWords

MUST_CALL = "Answer by calling at least one of the functions you are given; words alone are not accepted."
MUST_CALL_ONE = "Answer by calling the function `{name}`; words alone are not accepted."
_UNSAID = frozenset({b"", b"null", b'"auto"'})


class _Function(Struct):
    name: str = ""


class _Tool(Struct):
    function: _Function | None = None


class _Allowed(Struct):
    mode: str = "auto"
    tools: list[_Tool] = []


class _Choice(Struct):
    type: str = ""
    function: _Function | None = None
    allowed_tools: _Allowed | None = None


_CHOICE = msgspec.json.Decoder(str | _Choice)
_TOOLS = msgspec.json.Decoder(list[Raw])
_TOOL = msgspec.json.Decoder(_Tool)


def choose_in_words(choice: bytes | None, tools: bytes | None) -> InWords:
    """Return what to change so that `choice`, a `tool_choice`, holds where only `auto` is known.

    Raises:
        InvalidRequest: a call is demanded, and the function is not among `tools`.
        Unsupported: a choice of another kind than OpenAI's functions.

    """
    if (choice or b"") in _UNSAID:
        return InWords()
    mode, names = _read(choice or b"")
    if mode == "none":
        return InWords(remove=("tools", "tool_choice"))
    allowed = _allowed(tools, names)
    if not allowed:
        raise InvalidRequest("a tool choice needs its function in `tools`; declare it", param="tool_choice")
    replace = {} if names is None else {"tools": b"[%b]" % b",".join(map(bytes, allowed))}
    return InWords(replace=replace, remove=("tool_choice",), instruction=_instruction(mode, names))


def _read(choice: bytes) -> tuple[str, Collection[str] | None]:
    """Return whether calls are for the model to choose, required or ruled out, and of which functions."""
    try:
        asked = _CHOICE.decode(choice)
    except UNREADABLE as error:
        raise _unknown(choice) from error
    if isinstance(asked, str):
        mode, names = asked, None
    elif asked.allowed_tools:
        mode, names = asked.allowed_tools.mode, {_name(tool) for tool in asked.allowed_tools.tools}
    else:
        mode, names = "required", {asked.function.name if asked.function else ""}
    if mode not in {"auto", "required", "none"} or (names and "" in names):
        raise _unknown(choice)
    return mode, names


def _allowed(tools: bytes | None, names: Collection[str] | None) -> Sequence[Raw]:
    try:
        declared = _TOOLS.decode(tools or b"[]")
        return [tool for tool in declared if names is None or _name(_TOOL.decode(tool)) in names]
    except UNREADABLE:
        return ()


def _name(tool: _Tool) -> str:
    return tool.function.name if tool.function else ""


def _instruction(mode: str, names: Collection[str] | None) -> str:
    if mode != "required":
        return ""
    return MUST_CALL_ONE.format(name=next(iter(names))) if names and len(names) == 1 else MUST_CALL


def _unknown(choice: bytes) -> Unsupported:
    shown = choice[:100].decode(errors="replace")
    return Unsupported(
        f"`{shown}` is no tool choice this model knows; use auto, required, none or a function's name",
        param="tool_choice",
    )
