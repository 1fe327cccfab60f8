"""The Anthropic Messages dialect as clients speak it (Claude Code, the Anthropic SDKs).

A request is decoded only as far as routing needs: the messages stay undecoded bytes, and what is
forwarded is the client's own body. Source: https://docs.claude.com/en/api/messages
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Raw, Struct

from gateway.errors import GatewayError
from gateway.exchange import ChatRequest
from gateway.wire.anthropic_turns import read_system, read_turns
from gateway.wire.anthropic_types import ABSENT, present
from gateway.wire.bodies import Bodies, Form, turns_of
from gateway.wire.invalid_body import decode_body
from gateway.wire.sse import encode_event
from policies.envelope import Wanted
from policies.facts import Dialect, Turn


class _Metadata(Struct):
    user_id: str | None = None


class _OutputConfig(Struct):
    format: Raw = ABSENT


class _Request(Struct):
    messages: Annotated[list[Raw], msgspec.Meta(min_length=1)]
    model: Annotated[str, msgspec.Meta(min_length=1)]
    max_tokens: Annotated[int, msgspec.Meta(ge=0)] | None = None
    stream: bool | None = None
    system: Raw = ABSENT
    tools: list[Raw] | None = None
    metadata: _Metadata | None = None
    output_config: _OutputConfig | None = None
    output_format: Raw = ABSENT


class _ErrorDetail(Struct):
    type: str
    message: str


class _ErrorBody(Struct, tag_field="type", tag="error"):
    error: _ErrorDetail
    request_id: str


_REQUEST = msgspec.json.Decoder(_Request)


class AnthropicMessages:
    """The codec of `POST /v1/messages` and its `count_tokens`, whose bodies have no `max_tokens`."""

    dialect: Dialect = "messages"
    ping = b'event: ping\ndata: {"type": "ping"}\n\n'

    def __init__(self) -> None:
        self._bodies = Bodies(_FORM)

    def parse_request(self, raw: bytes) -> ChatRequest:
        """Return the view of a client's body; raise InvalidRequest with `param`."""
        return self._bodies.read(raw)

    def turns(self, request: ChatRequest, wanted: Wanted | None = None) -> Iterator[Turn]:
        """Yield the conversation newest first, decoding one message a step; system turns last."""
        yield from turns_of(request, read_turns, wanted)
        first = None if wanted and not wanted.system else read_system(request.system)
        if first is not None:
            yield first

    def error_body(self, error: GatewayError, request_id: str) -> bytes:
        """Return Anthropic's JSON error body."""
        detail = _ErrorDetail(error.anthropic_type, error.message)
        return msgspec.json.encode(_ErrorBody(detail, request_id))

    def error_event(self, error: GatewayError, request_id: str) -> bytes:
        """Return the `error` event that ends a stream; nothing follows it."""
        return encode_event(self.error_body(error, request_id), name="error")


def _decode(raw: bytes) -> tuple[ChatRequest, Sequence[Raw]]:
    view = decode_body(raw, _REQUEST)
    user = view.metadata.user_id if view.metadata else None
    request = ChatRequest(
        dialect="messages",
        raw=b"",
        model=view.model,
        stream=bool(view.stream),
        include_usage=True,
        max_output_tokens=view.max_tokens,
        system=view.system if bytes(present(view.system)) else None,
        has_tools=bool(view.tools),
        json_schema=_demands_schema(view),
        user=user,
        metadata=_metadata(user),
    )
    return request, view.messages


def _demands_schema(view: _Request) -> bool:
    asked = ABSENT if view.output_config is None else view.output_config.format
    return bool(bytes(present(asked)) or bytes(present(view.output_format)))


def _metadata(user: str | None) -> Mapping[str, str] | None:
    return None if user is None else {"user_id": user}


_FORM = Form(
    name="messages",
    decode=_decode,
    check=lambda _messages, _since: None,
    image_mark=b'"image"',
    shows=lambda message: any(turn.images for turn in read_turns(message)),
)
