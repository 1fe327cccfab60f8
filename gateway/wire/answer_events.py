"""A whole answer put together again out of a stream's events, for the answer checks; a function a dialect."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec
from msgspec import Raw, Struct

from gateway.exchange import ChatRequest
from gateway.wire.answer_shapes import (
    Block,
    ChatAnswer,
    ChatMessage,
    Choice,
    Format,
    Function,
    Holder,
    Message,
    Response,
    TextOptions,
)
from gateway.wire.anthropic_types import ABSENT, UNREADABLE, present
from gateway.wire.base import Relay
from gateway.wire.sse import events

_JSON_FORMS = frozenset(("json_schema", "json_object"))
_FORCED = frozenset(("function", "tool", "any", "custom"))
"""Types of a `tool_choice` under which the model has to call."""
_HINTS = (b'"tool_choice"', b'"json_object"')


class _Called(Struct):
    name: str | None = None
    arguments: str | None = None


class _Piece(Struct):
    index: int | None = None
    function: _Called | None = None


class _Delta(Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_Piece] | None = None
    function_call: _Called | None = None
    audio: Raw = ABSENT


class _ChunkChoice(Struct):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(Struct):
    choices: list[_ChunkChoice] | None = None


class _BlockDelta(Struct):
    text: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class _MessageEvent(Struct):
    type: str
    index: int = 0
    content_block: Block | None = None
    delta: _BlockDelta | None = None


class _ResponseEvent(Struct):
    type: str
    response: Response | None = None


class _Choice(Struct):
    type: str = ""


class _Demand(Struct):
    tool_choice: str | _Choice | None = None
    response_format: Format | None = None
    text: TextOptions | None = None


_CHUNK = msgspec.json.Decoder(_Chunk)
_MESSAGE_EVENT = msgspec.json.Decoder(_MessageEvent)
_RESPONSE_EVENT = msgspec.json.Decoder(_ResponseEvent)
_DEMAND = msgspec.json.Decoder(_Demand)


class _Said(Struct):
    """What a choice of a chat stream has said so far."""

    text: list[str] = msgspec.field(default_factory=list)
    refusal: list[str] = msgspec.field(default_factory=list)
    calls: dict[int, list[_Called | None]] = msgspec.field(default_factory=lambda: defaultdict(list))
    legacy: list[_Called | None] = msgspec.field(default_factory=list)
    audio: Raw = msgspec.field(default_factory=Raw)
    finish: str | None = None

    def add(self, piece: _ChunkChoice) -> None:
        """Take one chunk's share."""
        self.finish = piece.finish_reason or self.finish
        delta = piece.delta or _Delta()
        self.text.append(delta.content or "")
        self.refusal.append(delta.refusal or "")
        self.audio = delta.audio if bytes(present(delta.audio)) else self.audio
        if delta.function_call:
            self.legacy.append(delta.function_call)
        for call in delta.tool_calls or ():
            self.calls[call.index or 0].append(call.function)

    def choice(self) -> Choice:
        """Return it as a complete answer has it."""
        message = ChatMessage(
            content="".join(self.text),
            refusal="".join(self.refusal) or None,
            tool_calls=[Holder(function=_joined(pieces)) for pieces in self.calls.values()],
            function_call=_joined(self.legacy),
            audio=self.audio,
        )
        return Choice(message=message, finish_reason=self.finish)


def replay(relay: Relay, received: Iterable[bytes]) -> bytes:
    """Return the whole of a vendor's stream as the client would see it, by a relay used for nothing else.

    A relay gives its ending once, with the receipt in it; a look at that ending must not use it up.
    """
    sent = relay.feed(b"".join(received))
    relay.close()
    return sent + relay.finish(None)


def demanded_checks(request: ChatRequest) -> frozenset[str]:
    """Return the checks of what the client demands the answer to be: JSON, or a call of a tool."""
    if not request.json_schema and not any(hint in request.raw for hint in _HINTS):
        return frozenset()
    try:
        demand = _DEMAND.decode(request.raw)
    except UNREADABLE:
        return frozenset()
    form = demand.response_format or (demand.text.format if demand.text else None)
    choice = demand.tool_choice
    found = {"schema"} if request.json_schema or (form and form.type in _JSON_FORMS) else set()
    if choice == "required" or (isinstance(choice, _Choice) and choice.type in _FORCED):
        found.add("tool_arguments")
    return frozenset(found)


def gather_chat(stream: bytes) -> ChatAnswer:
    """Return the completion that chat chunks add up to."""
    said: dict[int, _Said] = defaultdict(_Said)
    for event in events(stream):
        if event.data == b"[DONE]":
            break
        for choice in _CHUNK.decode(event.data).choices or ():
            said[choice.index].add(choice)
    return ChatAnswer(choices=[each.choice() for each in said.values()])


def gather_message(stream: bytes) -> Message:
    """Return the message that Anthropic's events add up to; a tool's input as it was written, JSON or not."""
    blocks: dict[int, Block] = {}
    texts: dict[int, list[str]] = defaultdict(list)
    stop: str | None = None
    for event in events(stream):
        read = _MESSAGE_EVENT.decode(event.data)
        if read.content_block is not None:
            blocks[read.index] = read.content_block
            texts[read.index].append(read.content_block.text)
        elif read.delta is not None:
            stop = read.delta.stop_reason or stop
            texts[read.index].append(read.delta.text or read.delta.partial_json)
    return Message(content=[_block(b, "".join(texts[at])) for at, b in blocks.items()], stop_reason=stop)


def gather_response(stream: bytes) -> Response:
    """Return the response that the last event holds; one without items where there is none."""
    last = Response(output=[])
    for event in events(stream):
        if event.name in {"response.completed", "response.incomplete"}:
            last = _RESPONSE_EVENT.decode(event.data).response or last
    return last


def _joined(pieces: list[_Called | None]) -> Function | None:
    """Return one call out of its pieces; None for one that is no function's."""
    known = [piece for piece in pieces if piece is not None]
    if not known:
        return None
    name = next((piece.name for piece in known if piece.name), "")
    return Function(name=name, arguments="".join(piece.arguments or "" for piece in known))


def _block(block: Block, said: str) -> Block:
    if block.type != "tool_use":
        return Block(type=block.type, text=said)
    return Block(type=block.type, name=block.name, input=Raw(said.encode()) if said else block.input)
