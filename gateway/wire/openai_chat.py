"""The OpenAI Chat Completions dialect as clients speak it.

A request is decoded only as far as routing needs: the messages stay undecoded bytes, and what is
forwarded is the client's own body. Source: https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated

import msgspec

from gateway.errors import GatewayError, InvalidRequest
from gateway.exchange import ChatRequest
from gateway.wire.bodies import Bodies, Form, turns_of
from gateway.wire.chat_turns import ROLES, find_unknown_role, read_turns, role_of
from gateway.wire.client_metadata import text_values
from gateway.wire.sse import DONE, KEEP_ALIVE, encode_event
from policies.envelope import Wanted
from policies.facts import Dialect, Turn

MAX_CHOICES = 128

_PLACE = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`$")
_NOT_JSON = (
    "We could not parse the JSON body of your request. The API expects a JSON payload, "
    "but what was sent was not valid JSON"
)

_Count = Annotated[int, msgspec.Meta(ge=1)]
_Choices = Annotated[int, msgspec.Meta(ge=1, le=MAX_CHOICES)]
_Messages = Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1)]
_Name = Annotated[str, msgspec.Meta(min_length=1)]


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _ResponseFormat(msgspec.Struct):
    type: str


class _Request(msgspec.Struct):
    messages: _Messages
    model: _Name
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: _Choices | None = None
    max_tokens: _Count | None = None
    max_completion_tokens: _Count | None = None
    tools: list[msgspec.Raw] | None = None
    functions: list[msgspec.Raw] | None = None
    response_format: _ResponseFormat | None = None
    user: str | None = None
    metadata: dict[str, msgspec.Raw] | None = None


class _ErrorDetail(msgspec.Struct):
    message: str
    type: str
    param: str | None
    code: str | None


_REQUEST = msgspec.json.Decoder(_Request)


class OpenAIChat:
    """The codec of `POST /v1/chat/completions`."""

    dialect: Dialect = "chat"
    ping = KEEP_ALIVE

    def __init__(self) -> None:
        self._bodies = Bodies(_FORM)

    def parse_request(self, raw: bytes) -> ChatRequest:
        """Return the view of a client's body; raise InvalidRequest with `param`."""
        return self._bodies.read(raw)

    def turns(self, request: ChatRequest, wanted: Wanted | None = None) -> Iterator[Turn]:
        """Yield the conversation newest first, decoding one message a step; system turns last."""
        return turns_of(request, read_turns, wanted)

    def error_body(self, error: GatewayError, request_id: str) -> bytes:  # noqa: ARG002 - a header carries it
        """Return OpenAI's JSON error body."""
        return msgspec.json.encode({"error": _detail(error)})

    def error_event(self, error: GatewayError, request_id: str) -> bytes:
        """Return the SSE bytes that end a stream with an error, `[DONE]` included.

        The shape is the one OpenRouter documents: a chunk with a top-level `error` and the finish reason
        `error`, which OpenAI's own clients raise.
        """
        chunk = {
            "id": request_id,
            "object": "chat.completion.chunk",
            "created": 0,
            "model": "",
            "error": _detail(error),
            "choices": [{"index": 0, "delta": {}, "finish_reason": "error"}],
        }
        return encode_event(msgspec.json.encode(chunk)) + DONE


def _decode_request(raw: bytes) -> tuple[ChatRequest, Sequence[msgspec.Raw]]:
    try:
        if not raw.isascii():
            raw.decode()
        view = _REQUEST.decode(raw)
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{_NOT_JSON}: byte {error.start} is not UTF-8") from None
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"{_NOT_JSON}: {error}") from None
    return _without_messages(view), view.messages


def _without_messages(view: _Request) -> ChatRequest:
    options = view.stream_options
    return ChatRequest(
        dialect="chat",
        raw=b"",
        model=view.model,
        stream=bool(view.stream),
        include_usage=bool(options and options.include_usage),
        max_output_tokens=view.max_completion_tokens or view.max_tokens,
        choices=view.n or 1,
        has_tools=bool(view.tools or view.functions),
        json_schema=view.response_format is not None and view.response_format.type == "json_schema",
        user=view.user,
        metadata=text_values(view.metadata),
    )


def _explain(text: str) -> InvalidRequest:
    """Turn the decoder's words into OpenAI's, with the parameter's name."""
    place = _PLACE.search(text)
    param = place[1] if place else ""
    fault = text[: place.start()] if place else text
    missing = re.search("missing required field `(.+?)`", fault)
    if missing:
        name = f"{param}.{missing[1]}" if param else missing[1]
        return InvalidRequest(f"Missing required parameter: '{name}'.", param=name)
    if not param:
        return InvalidRequest(f"The request body must be a JSON object: {fault}")
    kind = "Invalid type for" if " got " in fault else "Invalid value for"
    words = fault.replace(" | null", "").replace("`", "").replace("Expected", "expected")
    return InvalidRequest(f"{kind} '{param}': {words} instead.", param=param)


def _check_messages(messages: Sequence[msgspec.Raw], since: int) -> None:
    """Refuse messages that are no objects or have no known role, without decoding their content."""
    at = find_unknown_role(messages, since)
    if at is not None:
        raise _not_a_message(messages[at], f"messages[{at}]")


def _not_a_message(message: msgspec.Raw, param: str) -> InvalidRequest:
    if not bytes(message).startswith(b"{"):
        return InvalidRequest(f"Invalid type for '{param}': expected an object.", param=param)
    role = role_of(message)
    if role is None:
        return InvalidRequest(f"Missing required parameter: '{param}.role'.", param=f"{param}.role")
    supported = ", ".join(f"'{name}'" for name in ROLES)
    return InvalidRequest(
        f"Invalid value: '{role[:40]}'. Supported values are: {supported}.", param=f"{param}.role"
    )


_FORM = Form(
    name="messages",
    decode=_decode_request,
    check=_check_messages,
    image_mark=b'"image_url"',
    shows=lambda message: any(turn.images for turn in read_turns(message)),
)


def _detail(error: GatewayError) -> _ErrorDetail:
    return _ErrorDetail(message=error.message, type=error.type, param=error.param, code=error.code)
