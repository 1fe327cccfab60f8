"""The bridge of Anthropic clients to Anthropic-speaking upstreams: bytes pass, `model` is replaced."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from gateway.errors import InvalidRequest
from gateway.exchange import ChatRequest, Target
from gateway.wire.anthropic_events import BlockStart, StreamEvent
from gateway.wire.anthropic_growth import Growth
from gateway.wire.anthropic_stream import AnthropicStream, embedded_fault
from gateway.wire.anthropic_types import UNREADABLE, Message, TextBlock, ToolUseBlock
from gateway.wire.anthropic_usage import read_usage
from gateway.wire.base import Answer
from gateway.wire.foreign_thinking import strip_foreign_thinking
from gateway.wire.splice import members_of
from gateway.wire.sse import encode_event
from gateway.wire.vendor_errors import garbled

_MESSAGE = msgspec.json.Decoder(Message)
_SMALLEST_BUDGET = 1_024


class MessagesToMessages:
    """Passes requests, answers and streams through; it keeps nothing between calls.

    `provider` is whose error codes are read, where the vendor has its own (`zai`).
    """

    def __init__(self, provider: str = "anthropic") -> None:
        self._provider = provider

    def request(self, request: ChatRequest, target: Target) -> bytes:
        """Return the client's body with the target's model name, every other byte as it was.

        Two things are mended that the vendor would refuse: a `max_tokens` beyond what the model can write
        (clients plan for the model they asked for), and, for Claude, thinking that another vendor signed
        (see `foreign_thinking`).
        """
        replace = {"model": msgspec.json.encode(target.model)}
        limit = request.max_output_tokens
        if limit is not None and limit > target.max_output_tokens:
            replace |= _lower_limits(request.raw, target.max_output_tokens)
        remove: tuple[str, ...] = ()
        if "claude" in target.model and b'"thinking"' in request.raw:
            stripped = strip_foreign_thinking(request.messages, request.beginning)
            replace |= stripped.replace
            remove = stripped.remove
        try:
            return members_of(request).splice(replace=replace, remove=remove)
        except ValueError as error:
            raise InvalidRequest("the request body is not one JSON object; send one") from error

    def answer(self, request: ChatRequest, body: bytes) -> Answer:  # noqa: ARG002 - the answer says it all
        """Return the vendor's answer as it is, with its usage; an error in its place is a fault."""
        try:
            message = _MESSAGE.decode(body)
        except UNREADABLE as error:
            return Answer(body=b"", usage=None, fault=garbled(f"the answer cannot be read: {error}", body))
        if bytes(message.error):
            return Answer(body=b"", usage=None, fault=embedded_fault(self._provider, message.error))
        if message.content is None:
            return Answer(body=b"", usage=None, fault=garbled("the answer has no content", body))
        return Answer(body=body, usage=None if message.usage is None else read_usage(message.usage))

    def relay(self, request: ChatRequest) -> MessagesRelay:  # noqa: ARG002 - the stream says it all
        """Return a fresh relay for one streaming 200 answer."""
        return MessagesRelay(self._provider)


class MessagesRelay(AnthropicStream):
    """Passes whole events on as they came, and keeps back `message_stop` and whatever follows it."""

    def __init__(self, provider: str) -> None:
        super().__init__(provider)
        self._ending: list[bytes] = []

    def feed(self, chunk: bytes) -> bytes:
        """Take what arrived, return what to send now (possibly nothing)."""
        passed: list[bytes] = []
        for raw, event in self._events(chunk):
            if self.failed():
                break
            if self.ended:
                self._ending.append(raw)
                continue
            self.has_output = self.has_output or _is_output(event)
            passed.append(raw)
        return b"".join(passed)

    def finish(self, receipt: Mapping[str, str | int] | None) -> bytes:
        """Return `message_stop`, with `receipt` as its `gateway`."""
        if self.failed() or not self.ended:
            return b""
        if receipt is None:
            return self._closing + b"".join(self._ending)
        stop = msgspec.json.encode({"type": "message_stop", "gateway": dict(receipt)})
        return self._closing + encode_event(stop, name="message_stop")


class _Thinking(Struct):
    budget_tokens: int | None = None


class _Limits(Struct):
    thinking: _Thinking | None = None


_LIMITS = msgspec.json.Decoder(_Limits)


def _lower_limits(raw: bytes, largest: int) -> dict[str, bytes]:
    """Cut `max_tokens` to `largest`, and a thinking budget that would then not be below it."""
    lowered = {"max_tokens": b"%d" % largest}
    try:
        thinking = _LIMITS.decode(raw).thinking
    except UNREADABLE:
        return lowered
    budget = 0 if thinking is None else thinking.budget_tokens or 0
    if budget >= largest:
        fitting = max(largest // 2, _SMALLEST_BUDGET)
        lowered["thinking"] = b'{"type":"enabled","budget_tokens":%d}' % fitting
    return lowered


def _is_output(event: Growth | StreamEvent | None) -> bool:
    if isinstance(event, Growth):
        return any(event.said)
    if not isinstance(event, BlockStart):
        return False
    block = event.content_block
    return isinstance(block, ToolUseBlock) or (isinstance(block, TextBlock) and bool(block.text))
