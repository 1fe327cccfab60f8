"""OpenAI's stream chunks, made of parts that are encoded once per answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from gateway.wire.anthropic_events import StartedMessage
from gateway.wire.anthropic_types import RedactedThinkingBlock, ThinkingBlock
from gateway.wire.anthropic_usage import chat_usage
from gateway.wire.chat_to_messages.answer import (
    AnswerSettings,
    CalledFunction,
    FinishReason,
    ToolCallOut,
    chat_id,
)
from gateway.wire.sse import encode_event
from policies.pricing import Usage

_encode = msgspec.json.Encoder().encode


class RelaySettings(AnswerSettings, frozen=True, kw_only=True):
    """What a stream needs beside its bytes."""

    with_usage: bool
    """The client asked to see usage."""


class ChunkWriter:
    """Writes the chunks of one answer as SSE bytes."""

    __slots__ = ("_after", "_head", "_legacy_calls", "_named", "_tail")

    def __init__(self, message: StartedMessage, settings: RelaySettings) -> None:
        self._named = b'{"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b,' % (
            _encode(chat_id(message.id)),
            settings.created,
            _encode(message.model or settings.model),
        )
        self._head = b'data: %b"choices":[{"index":0,"delta":' % self._named
        self._after = b'}],"usage":null}\n\n' if settings.with_usage else b"}]}\n\n"
        self._tail = b',"logprobs":null,"finish_reason":null%b' % self._after
        self._legacy_calls = settings.form.legacy_calls

    def role(self) -> bytes:
        """Return the first chunk."""
        return self._delta(b'{"role":"assistant","content":""}')

    def content(self, texts: Sequence[bytes]) -> bytes:
        """Return a chunk for each text; texts are as JSON writes them, without the quotes."""
        return self._each(b'{"content":"', texts, b'"}')

    def reasoning(self, texts: Sequence[bytes]) -> bytes:
        """Return a chunk for each piece of visible reasoning."""
        return self._each(b'{"reasoning_content":"', texts, b'"}')

    def call(self, index: int, call_id: str, name: str) -> bytes:
        """Return the chunk that opens a tool call."""
        function = CalledFunction(name, "")
        if self._legacy_calls:
            return self._delta(b'{"function_call":%b}' % _encode(function))
        opened = _encode(ToolCallOut(call_id, function))
        return self._delta(b'{"tool_calls":[{"index":%d,%b]}' % (index, opened[1:]))

    def arguments(self, index: int, fragments: Sequence[bytes]) -> bytes:
        """Return a chunk for each piece of a tool call's arguments."""
        if self._legacy_calls:
            return self._each(b'{"function_call":{"arguments":"', fragments, b'"}}')
        return self._each(
            b'{"tool_calls":[{"index":%d,"function":{"arguments":"' % index, fragments, b'"}}]}'
        )

    def thinking(self, blocks: Sequence[ThinkingBlock | RedactedThinkingBlock]) -> bytes:
        """Return the chunk that hands the signed reasoning over."""
        return self._delta(b'{"thinking_blocks":%b}' % _encode(blocks))

    def finish(self, reason: FinishReason) -> bytes:
        """Return the chunk that says why the answer ended."""
        return b'%b{},"logprobs":null,"finish_reason":%b%b' % (self._head, _encode(reason), self._after)

    def usage(self, usage: Usage | None, receipt: Mapping[str, str | int] | None) -> bytes:
        """Return the chunk without choices; it alone carries usage and the gateway's receipt."""
        counts = b"null" if usage is None else _encode(chat_usage(usage))
        gateway = b"" if receipt is None else b',"gateway":%b' % _encode(dict(receipt))
        return encode_event(b'%b"choices":[],"usage":%b%b}' % (self._named, counts, gateway))

    def _delta(self, delta: bytes) -> bytes:
        return b"%b%b%b" % (self._head, delta, self._tail)

    def _each(self, before: bytes, texts: Sequence[bytes], after: bytes) -> bytes:
        start, end = self._head + before, after + self._tail
        return b"%b%b%b" % (start, (end + start).join(texts), end) if texts else b""
