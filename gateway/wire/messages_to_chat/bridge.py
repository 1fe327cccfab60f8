"""The bridge from Anthropic Messages clients to upstreams that speak OpenAI chat."""

from __future__ import annotations

from gateway.exchange import ChatRequest, Target
from gateway.wire.base import Answer, Relay
from gateway.wire.chat_to_chat import ChatToChat
from gateway.wire.chat_upstream.relay import WritingRelay
from gateway.wire.chat_upstream.view import as_chat
from gateway.wire.messages_to_chat.answer import translate_answer
from gateway.wire.messages_to_chat.request import translate_request
from gateway.wire.messages_to_chat.writer import MessagesWriter


class MessagesToChat:
    """Translates between Messages and OpenAI's own chat; the chat bridge sees to the vendor's quirks."""

    def __init__(self, provider: str) -> None:
        self._chat = ChatToChat(provider)

    def request(self, request: ChatRequest, target: Target) -> bytes:
        """Return the chat body; raise Unsupported or InvalidRequest with the `param` at fault."""
        return self._chat.request(as_chat(request, translate_request(request, target)), target)

    def answer(self, request: ChatRequest, body: bytes) -> Answer:
        """Return the message for a complete 200 answer, or the fault found in its place."""
        return translate_answer(self._chat.answer(as_chat(request), body), request.model)

    def relay(self, request: ChatRequest) -> Relay:
        """Return a fresh relay for one streaming 200 answer."""
        return WritingRelay(self._chat.relay(as_chat(request)), MessagesWriter(request.model))
