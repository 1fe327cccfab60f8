"""A function call on its way into a response, as the client's tool behind it."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Struct

from gateway.wire.anthropic_types import UNREADABLE
from gateway.wire.openai_responses.items import (
    CallItem,
    CustomCallItem,
    FunctionCallItem,
    ShellAction,
    ShellCallItem,
    Status,
)
from gateway.wire.responses_to_chat.events import Place
from gateway.wire.responses_to_chat.tools import Origin

_PREFIXES = {"function": "fc", "custom": "ctc", "local_shell": "lsh"}


class _FreeText(Struct):
    input: str


class _Shell(Struct):
    command: list[str] | str
    timeout_ms: int | None = None
    working_directory: str | None = None


_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_FREE_TEXT = msgspec.json.Decoder(_FreeText)
_SHELL = msgspec.json.Decoder(_Shell)


class OpenCall:
    """A call under way.

    A function's arguments stream as they come. The input of a custom tool is a text inside them, and a
    command a structure: both are told once they are complete.
    """

    def __init__(self, call_id: str, origin: Origin) -> None:
        self.call_id = call_id
        self._origin = origin
        self._fragments: list[str] = []
        self._waiting: list[str] = []

    def start(self, place: Place) -> bytes:
        """Return the events that begin it, with all it has been waiting to say."""
        self.at = place.at
        self._place = place
        self._id = place.item_id(_PREFIXES[self._origin.kind])
        self._where = {"item_id": self._id, "output_index": place.at}
        self._encoded = msgspec.json.encode(self._where)[1:-1]
        text = "".join(self._waiting)
        return place.added(self.item("in_progress")) + (self.grow(text) if text else b"")

    def wait(self, fragment: str) -> None:
        """Keep a piece of the arguments until it is this call's turn."""
        self._waiting.append(fragment)

    def is_complete(self) -> bool:
        """Tell whether the arguments are a whole JSON object, which nothing can be added to."""
        try:
            _OBJECT.decode("".join(self._fragments))
        except UNREADABLE:
            return False
        return True

    def grow(self, fragment: str) -> bytes:
        """Return the event that adds to the arguments, if they are told as they come."""
        self._fragments.append(fragment)
        if self._origin.kind != "function":
            return b""
        return self._place.events.delta(b"response.function_call_arguments.delta", self._encoded, fragment)

    def end(self, status: Status) -> bytes:
        """Return the events that end it; no arguments at all are an empty object."""
        missing = b"" if "".join(self._fragments).strip() else self.grow("{}")
        return missing + self._told() + self._place.done(self.item(status))

    def item(self, status: Status) -> CallItem:
        """Return the item; it is empty while the call is in progress."""
        arguments = "" if status == "in_progress" else "".join(self._fragments)
        name, namespace = self._origin.name, self._origin.namespace or UNSET
        match self._origin.kind:
            case "function":
                return FunctionCallItem(self._id, status, self.call_id, name, arguments, namespace)
            case "custom":
                return CustomCallItem(self._id, status, self.call_id, name, _free_text(arguments), namespace)
            case "local_shell":
                return ShellCallItem(self._id, status, self.call_id, _shell_action(arguments))

    def _told(self) -> bytes:
        events, arguments = self._place.events, "".join(self._fragments)
        match self._origin.kind:
            case "function":
                done = self._where | {"name": self._origin.name, "arguments": arguments}
                return events.event("response.function_call_arguments.done", done)
            case "custom":
                text = _free_text(arguments)
                delta = events.delta(b"response.custom_tool_call_input.delta", self._encoded, text)
                done = self._where | {"input": text}
                return delta + events.event("response.custom_tool_call_input.done", done)
            case "local_shell":
                return b""


def _free_text(arguments: str) -> str:
    """Return a custom tool's input; a model that wrote no such JSON wrote the input itself."""
    try:
        return _FREE_TEXT.decode(arguments).input
    except UNREADABLE:
        return "" if arguments == "{}" else arguments


def _shell_action(arguments: str) -> ShellAction:
    """Return the command; an empty one where the model's words are none, for the client to refuse."""
    try:
        asked = _SHELL.decode(arguments)
    except UNREADABLE:
        return ShellAction([])
    command = ["bash", "-lc", asked.command] if isinstance(asked.command, str) else asked.command
    return ShellAction(command, timeout_ms=asked.timeout_ms, working_directory=asked.working_directory)
