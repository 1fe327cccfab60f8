"""The bridge from OpenAI chat clients to upstreams that speak Anthropic's Messages."""

from __future__ import annotations

from collections.abc import Callable

from gateway.exchange import ChatRequest, Target
from gateway.wire.base import Answer
from gateway.wire.chat_to_messages.answer import AnswerSettings, translate_answer
from gateway.wire.chat_to_messages.body import answer_form
from gateway.wire.chat_to_messages.chunks import RelaySettings
from gateway.wire.chat_to_messages.relay import ChatRelay
from gateway.wire.chat_to_messages.request import translate_request


class ChatToMessages:
    """Translates requests, answers and streams; it keeps nothing between calls.

    `now` gives Unix time in seconds: OpenAI's answers say when they were made, Anthropic's do not.
    `provider` is whose error codes are read, where the vendor has its own (`zai`).
    """

    def __init__(self, now: Callable[[], float], provider: str = "anthropic") -> None:
        self._now = now
        self._provider = provider

    def request(self, request: ChatRequest, target: Target) -> bytes:
        """Return the Messages body; raise Unsupported or InvalidRequest with the `param` at fault."""
        return translate_request(request, target)

    def answer(self, request: ChatRequest, body: bytes) -> Answer:
        """Return the chat completion for a complete 200 answer, or the fault found in its place."""
        settings = AnswerSettings(
            created=int(self._now()),
            model=request.model,
            provider=self._provider,
            form=answer_form(request.raw),
        )
        return translate_answer(body, settings)

    def relay(self, request: ChatRequest) -> ChatRelay:
        """Return a fresh relay for one streaming 200 answer."""
        settings = RelaySettings(
            created=int(self._now()),
            model=request.model,
            provider=self._provider,
            form=answer_form(request.raw),
            with_usage=request.include_usage,
        )
        return ChatRelay(settings)
