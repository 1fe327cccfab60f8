"""The bridge from OpenAI Responses clients to upstreams that speak OpenAI chat."""

from __future__ import annotations

from collections.abc import Callable

from gateway.exchange import ChatRequest, Target
from gateway.wire.base import Answer, Relay
from gateway.wire.chat_to_chat import ChatToChat
from gateway.wire.chat_upstream.relay import WritingRelay
from gateway.wire.chat_upstream.view import as_chat
from gateway.wire.responses_to_chat.answer import translate_answer
from gateway.wire.responses_to_chat.form import ResponseForm, response_form
from gateway.wire.responses_to_chat.request import translate_request
from gateway.wire.responses_to_chat.writer import ResponseWriter


class ResponsesToChat:
    """Translates between Responses and OpenAI's own chat; the chat bridge sees to the vendor's quirks.

    `now` gives Unix time in seconds, which responses are stamped with.
    """

    def __init__(self, now: Callable[[], float], provider: str) -> None:
        self._now = now
        self._chat = ChatToChat(provider)

    def request(self, request: ChatRequest, target: Target) -> bytes:
        """Return the chat body; raise Unsupported or InvalidRequest with the `param` at fault."""
        return self._chat.request(as_chat(request, translate_request(request, target)), target)

    def answer(self, request: ChatRequest, body: bytes) -> Answer:
        """Return the response for a complete 200 answer, or the fault found in its place."""
        return translate_answer(self._chat.answer(as_chat(request), body), self._form(request))

    def relay(self, request: ChatRequest) -> Relay:
        """Return a fresh relay for one streaming 200 answer."""
        return WritingRelay(self._chat.relay(as_chat(request)), ResponseWriter(self._form(request)))

    def _form(self, request: ChatRequest) -> ResponseForm:
        return response_form(request.raw, created=int(self._now()), model=request.model)
