"""A Messages stream into a chat completion stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw

from gateway.wire.anthropic_events import (
    BlockDelta,
    BlockStart,
    BlockStop,
    MessageStart,
    MessageStop,
    SignatureDelta,
    StartedMessage,
    StreamEvent,
)
from gateway.wire.anthropic_growth import Growth
from gateway.wire.anthropic_stream import AnthropicStream
from gateway.wire.anthropic_types import RedactedThinkingBlock, TextBlock, ThinkingBlock, ToolUseBlock
from gateway.wire.chat_to_messages.answer import Calls, compact, finish_reason
from gateway.wire.chat_to_messages.chunks import ChunkWriter, RelaySettings
from gateway.wire.chat_to_messages.json_answer import HELPER
from gateway.wire.sse import DONE

_encode = msgspec.json.Encoder().encode


class _OpenCall(msgspec.Struct):
    """A tool call under way; `index` counts the client's tools, None marks the JSON helper."""

    index: int | None
    initial: Raw
    started: bool = False
    """Arguments were sent; until then there may be none, and JSON text must not be empty."""


class _Thought(msgspec.Struct):
    """A thinking block under way."""

    texts: list[str]
    signature: str


class ChatRelay(AnthropicStream):
    """Translates event by event; the finish reason waits for `message_stop`, so no broken stream has one."""

    def __init__(self, settings: RelaySettings) -> None:
        super().__init__(settings.provider)
        self._settings = settings
        self._write = ChunkWriter(StartedMessage(), settings)
        self._calls: dict[int, _OpenCall] = {}
        self._call_count = 0
        self._helped = False
        self._withheld: list[str] = []
        self._thinking: dict[int, _Thought | RedactedThinkingBlock] = {}
        self._began = False

    def feed(self, chunk: bytes) -> bytes:
        """Take what arrived, return what to send now (possibly nothing)."""
        sent = [self._translate(event) for _, event in self._events(chunk)]
        return sent[0] if len(sent) == 1 else b"".join(sent)

    def finish(self, receipt: Mapping[str, str | int] | None) -> bytes:
        """Return the usage chunk the client asked for, `receipt` in it as `gateway`, and `[DONE]`."""
        if self.failed() or not self.ended:
            return b""
        usage = self._write.usage(self.usage, receipt) if self._settings.with_usage else b""
        return self._closing + usage + DONE

    def _translate(self, event: Growth | StreamEvent | None) -> bytes:
        match event:
            case Growth():
                return self._grow(event)
            case BlockStart():
                return self._open(event)
            case BlockStop():
                return self._shut(event.index)
            case BlockDelta(index=index, delta=SignatureDelta(signature)):
                self._sign(index, signature)
            case MessageStart():
                return self._start(event.message)
            case MessageStop():
                return self._end()
            case _:
                pass
        return b""

    def _start(self, message: StartedMessage) -> bytes:
        if self._began:
            return b""
        self._began = True
        self._write = ChunkWriter(message, self._settings)
        return self._write.role()

    def _grow(self, growth: Growth) -> bytes:
        index, kind, said, texts = growth
        if not all(said):
            said, texts = list(filter(None, said)), list(filter(None, texts))
        if not said:
            return b""
        if kind == "text":
            return self._text(said, texts)
        if kind == "partial_json":
            return self._arguments(index, texts)
        return self._reason(index, said, texts)

    def _sign(self, index: int, signature: str) -> None:
        thought = self._thinking.get(index)
        if isinstance(thought, _Thought):
            thought.signature += signature

    def _open(self, event: BlockStart) -> bytes:
        match event.content_block:
            case TextBlock() as block:
                return self._grow(Growth(event.index, "text", (block.text,), _written(block.text)))
            case ToolUseBlock() as block:
                return self._call(event.index, block)
            case ThinkingBlock() as block:
                self._thinking[event.index] = _Thought([], block.signature or "")
                said = block.thinking
                return self._grow(Growth(event.index, "thinking", (said,), _written(said)))
            case block:
                self._thinking[event.index] = block
                return b""

    def _text(self, said: Sequence[str], texts: Sequence[bytes]) -> bytes:
        if self._helped:
            return b""
        if self._settings.form.json:
            self._withheld += said
            return b""
        self.has_output = True
        return self._write.content(texts)

    def _release(self) -> bytes:
        """Send the withheld text: it is the answer, or stands before a call of the client's tool."""
        text = "".join(self._withheld)
        self._withheld.clear()
        self.has_output = self.has_output or bool(text)
        return self._write.content(_written(text)) if text else b""

    def _reason(self, index: int, said: Sequence[str], texts: Sequence[bytes]) -> bytes:
        thought = self._thinking.get(index)
        if not isinstance(thought, _Thought):
            return b""
        thought.texts += said
        self.has_output = True
        return self._write.reasoning(texts)

    def _call(self, index: int, block: ToolUseBlock) -> bytes:
        if block.name == HELPER and self._helped:
            return b""
        if block.name == HELPER:
            self._helped = True
            self._withheld.clear()
            self._calls[index] = _OpenCall(None, block.input)
            return b""
        released = self._release()
        self._calls[index] = _OpenCall(self._call_count, block.input)
        opened = self._write.call(self._call_count, block.id, block.name)
        self._call_count += 1
        self.has_output = True
        return released + opened

    def _arguments(self, index: int, fragments: Sequence[bytes]) -> bytes:
        call = self._calls.get(index)
        if call is None:
            return b""
        call.started = True
        self.has_output = True
        if call.index is None:
            return self._write.content(fragments)
        return self._write.arguments(call.index, fragments)

    def _shut(self, index: int) -> bytes:
        """Give a call without a fragment its whole input: what it began with, `{}` for none."""
        call = self._calls.get(index)
        if call is None or call.started:
            return b""
        return self._arguments(index, _written(compact(call.initial)))

    def _end(self) -> bytes:
        open_calls = b"".join([self._shut(index) for index in self._calls])
        calls = Calls(any=self._call_count > 0, legacy=self._settings.form.legacy_calls, helped=self._helped)
        ending = self._write.finish(finish_reason(self.stop_reason, calls))
        return open_calls + self._release() + self._signed_thinking() + ending

    def _signed_thinking(self) -> bytes:
        """Hand over what the client must send back for its next turn: signed or sealed reasoning."""
        blocks = [
            ThinkingBlock("".join(thought.texts), thought.signature)
            if isinstance(thought, _Thought)
            else thought
            for thought in self._thinking.values()
            if not isinstance(thought, _Thought) or thought.signature
        ]
        return self._write.thinking(blocks) if blocks else b""


def _written(text: str) -> tuple[bytes]:
    """Return one text as JSON writes it, without the quotes."""
    return (_encode(text)[1:-1],)
