"""The OpenAI Embeddings dialect: texts in, vectors out, the vendor's bytes untouched.

Source: https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from gateway.errors import GatewayError, Unsupported
from gateway.exchange import ChatRequest, Target
from gateway.wire.base import Answer, Relay
from gateway.wire.chat_usage import read_usage
from gateway.wire.invalid_body import decode_body
from gateway.wire.openai_chat import OpenAIChat
from gateway.wire.splice import splice
from gateway.wire.sse import KEEP_ALIVE
from gateway.wire.vendor_errors import garbled, read_embedded_fault
from policies.envelope import Wanted
from policies.facts import Dialect, Turn

_Text = Annotated[str, msgspec.Meta(min_length=1)]
_Token = Annotated[int, msgspec.Meta(ge=0)]
_Tokens = Annotated[list[_Token], msgspec.Meta(min_length=1)]
_Inputs = Annotated[list[_Text | _Token | _Tokens], msgspec.Meta(min_length=1)]


class EmbeddingsBody(msgspec.Struct, frozen=True):
    """What is read of a request; everything else in it travels unread."""

    model: _Text
    input: _Text | _Inputs
    """A text, a list of texts, or either as token numbers; how many is the vendor's to bound."""
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, msgspec.Meta(ge=1)] | None = None
    user: str | None = None


class _Answer(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw()
    usage: msgspec.Raw = msgspec.Raw()


_BODY = msgspec.json.Decoder(EmbeddingsBody)
_ANSWER = msgspec.json.Decoder(_Answer)


class OpenAIEmbeddings:
    """The codec of `POST /v1/embeddings`; errors are OpenAI's."""

    dialect: Dialect = "embeddings"
    ping = KEEP_ALIVE

    def __init__(self) -> None:
        self._errors = OpenAIChat()

    def parse_request(self, raw: bytes) -> ChatRequest:
        """Return the view of a client's body; raise InvalidRequest with `param`."""
        view = decode_body(raw, _BODY)
        return ChatRequest(
            dialect="embeddings", raw=raw, model=view.model, max_output_tokens=0, user=view.user
        )

    def turns(
        self,
        request: ChatRequest,  # noqa: ARG002 - texts to embed are not said to anyone
        wanted: Wanted | None = None,  # noqa: ARG002
    ) -> Iterator[Turn]:
        """Yield nothing: there is no conversation."""
        return iter(())

    def error_body(self, error: GatewayError, request_id: str) -> bytes:
        """Return OpenAI's JSON error body."""
        return self._errors.error_body(error, request_id)

    def error_event(self, error: GatewayError, request_id: str) -> bytes:
        """Return the chat dialect's error event; embeddings are not streamed."""
        return self._errors.error_event(error, request_id)


class EmbeddingsBridge:
    """Carries embeddings through: the model's name changes on the way in, nothing on the way back."""

    def __init__(self, provider: str) -> None:
        self._provider = provider

    def request(self, request: ChatRequest, target: Target) -> bytes:
        """Return the client's body with the vendor's model name."""
        return splice(request.raw, replace={"model": msgspec.json.encode(target.model)})

    def answer(self, request: ChatRequest, body: bytes) -> Answer:  # noqa: ARG002 - same dialect, same bytes
        """Return a complete 200 answer: the same bytes."""
        try:
            view = _ANSWER.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            view = _Answer()
        if bytes(memoryview(view.data)[:1]) != b"[":
            fault = read_embedded_fault(self._provider, body) or garbled("not a list of embeddings", body)
            return Answer(body=b"", usage=None, fault=fault)
        return Answer(body=body, usage=read_usage(view.usage) if bytes(view.usage) else None)

    def relay(self, request: ChatRequest) -> Relay:
        """Raise Unsupported: nothing in this dialect is streamed, and `parse_request` never says it is."""
        raise Unsupported(f"{request.dialect} are not streamed", param="stream")
