"""Anthropic's stream events, made of chat chunks.

Anthropic's blocks come one after the other, while chat vendors may let calls grow in turns: the block that
is open grows as it comes, calls behind it wait until it is complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from gateway.wire.anthropic_types import UNREADABLE, TextBlock, ThinkingBlock
from gateway.wire.chat_to_messages.calls import safe_id
from gateway.wire.chat_upstream.received import Call, Choice, Function, Received, Said, arguments_text
from gateway.wire.chat_upstream.relay import Receipt
from gateway.wire.chat_upstream.saying import SayingKind
from gateway.wire.messages_to_chat.answer import MADE_UP_SIGNATURE, SentMessage
from gateway.wire.messages_to_chat.usage import message_id, sent_usage, stop_reason
from gateway.wire.sse import encode_event
from policies.pricing import Usage

_encode = msgspec.json.Encoder().encode
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_DELTA_START = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":"'
)
_DELTA_END = b'"}}\n\n'
_FIELDS: Mapping[str, tuple[bytes, bytes]] = {
    "text": (b"text_delta", b"text"),
    "thinking": (b"thinking_delta", b"thinking"),
    "tool_use": (b"input_json_delta", b"partial_json"),
}


class _Call(msgspec.Struct, eq=False):
    """A call under way."""

    id: str
    name: str
    waiting: list[str] = msgspec.field(default_factory=list)
    """Fragments not sent yet."""
    sent: list[str] = msgspec.field(default_factory=list)

    def is_complete(self) -> bool:
        """Tell whether the arguments are a whole JSON object, which nothing can be added to."""
        try:
            _OBJECT.decode("".join(self.sent))
        except UNREADABLE:
            return False
        return True


class MessagesWriter:
    """Writes one answer; `model` stands in where the vendor names none."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._began = False
        self._index = -1
        self._open = ""
        """The type of the block under way; empty for none."""
        self._calls: dict[int, _Call] = {}
        """The newest call at each of the vendor's indexes."""
        self._queue: list[_Call] = []
        """Calls not ended, oldest first; the first is the open block."""
        self._held: list[tuple[str, str]] = []
        """Type and text of what came in the middle of a call; it follows the calls."""
        self._called = False
        self._refused = False
        self._finish: str | None = None

    def write(self, chunk: Received) -> bytes:
        """Return the events for one chunk."""
        start = b"" if self._began else self._start(chunk)
        return start + b"".join([self._choice(choice) for choice in chunk.choices or ()])

    def say(self, kind: SayingKind, said: Sequence[str], texts: Sequence[bytes]) -> bytes | None:
        """Return the deltas of a block that is open already; None where one has to begin or a text waits."""
        if self._open != kind or self._queue or not all(said):
            return None
        start = _DELTA_START % (self._index, *_FIELDS[kind])
        return start + (_DELTA_END + start).join(texts) + _DELTA_END

    def finish(self, usage: Usage, receipt: Receipt | None) -> bytes:
        """Return the last blocks, the one `message_delta` with the usage, and `message_stop`."""
        begin = b"" if self._began else self._start(Received())
        calls = self._end_calls()
        held = b"".join([self._grow(kind, text) for kind, text in self._held])
        reason = stop_reason(self._finish, called=self._called, refused=self._refused)
        delta = {
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": None},
            "usage": sent_usage(usage),
        }
        stop: dict[str, object] = {"type": "message_stop"}
        if receipt is not None:
            stop["gateway"] = dict(receipt)
        ending = self._shut() + _event("message_delta", delta) + _event("message_stop", stop)
        return begin + calls + held + ending

    def _start(self, chunk: Received) -> bytes:
        """Open the message; what it cost is not known before its end."""
        self._began = True
        message = SentMessage(
            id=message_id(chunk.id),
            model=chunk.model or self._model,
            content=(),
            stop_reason=None,
            usage=sent_usage(Usage()),
        )
        return _event("message_start", {"type": "message_start", "message": message})

    def _choice(self, choice: Choice) -> bytes:
        self._finish = choice.finish_reason or self._finish
        said = choice.delta or Said()
        self._refused = self._refused or bool(said.refusal)
        grown = self._grow("thinking", said.thought) + self._grow("text", said.text or said.refusal or "")
        return grown + b"".join([self._call(call) for call in said.tool_calls or ()])

    def _grow(self, kind: str, text: str) -> bytes:
        if not text:
            return b""
        if not all(call.is_complete() for call in self._queue):
            self._held.append((kind, text))
            return b""
        begin = b"" if self._open == kind else self._begin(kind)
        return begin + self._delta(kind, text)

    def _begin(self, kind: str) -> bytes:
        block = TextBlock("") if kind == "text" else ThinkingBlock("", MADE_UP_SIGNATURE)
        return self._end_calls() + self._open_block(kind, block)

    def _call(self, piece: Call) -> bytes:
        function = piece.function or Function()
        call, index, begun = self._calls.get(piece.index or 0), piece.index or 0, b""
        if call is None or (piece.id and piece.id != call.id):
            call = self._calls[index] = _Call(piece.id or "", function.name or "")
            begun = self._add_call(call)
        text = arguments_text(function.arguments)
        if not text or call not in self._queue:
            return begun  # a call that ended was complete: white space at most
        if call is self._queue[0]:
            return begun + self._argue(call, text)
        call.waiting.append(text)
        return begun

    def _add_call(self, call: _Call) -> bytes:
        self._called = True
        before = self._end_call() if self._queue and self._queue[0].is_complete() else b""
        self._queue.append(call)
        return before if len(self._queue) > 1 else before + self._begin_call(call)

    def _begin_call(self, call: _Call) -> bytes:
        block = {"type": "tool_use", "id": safe_id(call.id), "name": call.name, "input": {}}
        return self._open_block("tool_use", block)

    def _end_call(self) -> bytes:
        """End the open call and begin the next in line, with all it has been waiting to say."""
        self._queue.pop(0)
        ended = self._shut()
        if not self._queue:
            return ended
        call = self._queue[0]
        text = "".join(call.waiting)
        call.waiting.clear()
        return ended + self._begin_call(call) + (self._argue(call, text) if text else b"")

    def _end_calls(self) -> bytes:
        return b"".join([self._end_call() for _ in tuple(self._queue)])

    def _argue(self, call: _Call, text: str) -> bytes:
        call.sent.append(text)
        return self._delta("tool_use", text)

    def _open_block(self, kind: str, block: object) -> bytes:
        ended = self._shut()
        self._index += 1
        self._open = kind
        opened = {"type": "content_block_start", "index": self._index, "content_block": block}
        return ended + _event("content_block_start", opened)

    def _shut(self) -> bytes:
        if not self._open:
            return b""
        self._open = ""
        return _event("content_block_stop", {"type": "content_block_stop", "index": self._index})

    def _delta(self, kind: str, text: str) -> bytes:
        return _DELTA_START % (self._index, *_FIELDS[kind]) + _encode(text)[1:-1] + _DELTA_END


def _event(name: str, data: object) -> bytes:
    return encode_event(_encode(data), name=name)
