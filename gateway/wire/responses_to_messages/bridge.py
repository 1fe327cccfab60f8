"""The bridge from OpenAI Responses clients to upstreams that speak Anthropic's Messages.

It is two bridges: Responses to chat, whose translation is never sent, and chat to Messages.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Struct

from gateway.errors import InvalidRequest, Unsupported
from gateway.exchange import ChatRequest, Target
from gateway.wire.base import Answer, Relay
from gateway.wire.chat_to_messages.answer import AnswerSettings, translate_answer
from gateway.wire.chat_to_messages.body import AnswerForm
from gateway.wire.chat_to_messages.chunks import RelaySettings
from gateway.wire.chat_to_messages.relay import ChatRelay
from gateway.wire.chat_to_messages.request import translate_request as to_messages
from gateway.wire.chat_upstream.view import as_chat
from gateway.wire.openai_responses.body import TextOptions
from gateway.wire.responses_to_chat.answer import translate_answer as to_response
from gateway.wire.responses_to_chat.form import ResponseForm, response_form
from gateway.wire.responses_to_chat.request import translate_request as to_chat
from gateway.wire.responses_to_chat.writer import ResponseWriter
from gateway.wire.responses_to_messages.relay import SigningRelay


class _Asked(Struct):
    text: TextOptions | None = None


_ASKED = msgspec.json.Decoder(_Asked)


class ResponsesToMessages:
    """Translates requests, answers and streams; it keeps nothing between calls.

    `now` gives Unix time in seconds, `provider` is whose error codes are read.
    """

    def __init__(self, now: Callable[[], float], provider: str = "anthropic") -> None:
        self._now = now
        self._provider = provider

    def request(self, request: ChatRequest, target: Target) -> bytes:
        """Return the Messages body; raise Unsupported or InvalidRequest with the `param` at fault."""
        chat = as_chat(request, to_chat(request, target))
        try:
            return to_messages(chat, target)
        except (InvalidRequest, Unsupported) as error:
            raise type(error)(error.message, param=_own_param(error.param)) from error

    def answer(self, request: ChatRequest, body: bytes) -> Answer:
        """Return the response for a complete 200 answer, or the fault found in its place."""
        form = self._form(request)
        settings = AnswerSettings(
            created=form.created, model=form.model, provider=self._provider, form=_answer_form(request)
        )
        return to_response(translate_answer(body, settings), form)

    def relay(self, request: ChatRequest) -> Relay:
        """Return a fresh relay for one streaming 200 answer."""
        form = self._form(request)
        settings = RelaySettings(
            created=form.created,
            model=form.model,
            provider=self._provider,
            form=_answer_form(request),
            with_usage=False,
        )
        return SigningRelay(ChatRelay(settings), ResponseWriter(form))

    def _form(self, request: ChatRequest) -> ResponseForm:
        return response_form(request.raw, created=int(self._now()), model=request.model)


def _answer_form(request: ChatRequest) -> AnswerForm:
    text = _ASKED.decode(request.raw).text
    asked = text.format if text else None
    return AnswerForm(json=asked is not None and asked.type != "text", legacy_calls=False)


_OWN_NAMES = {"messages": "input", "response_format": "text.format", "reasoning_effort": "reasoning.effort"}


def _own_param(param: str | None) -> str | None:
    """Return the client's name for a field of the chat request between; places in it would mislead."""
    if param is None:
        return None
    head = param.replace("[", ".").partition(".")[0]
    return _OWN_NAMES.get(head, head)
