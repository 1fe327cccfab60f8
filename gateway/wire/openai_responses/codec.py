"""The codec of `POST /v1/responses`, for clients that keep their own history (Codex with `store: false`).

A request is decoded only as far as routing needs; what asks for stored state is refused, since this
gateway stores none. Source: https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import msgspec
from msgspec import Raw, Struct

from gateway.errors import BudgetExceeded, ContextTooLong, GatewayError, InvalidRequest
from gateway.exchange import ChatRequest
from gateway.wire.anthropic_types import ABSENT, UNREADABLE, present
from gateway.wire.bodies import Bodies, Form, turns_of
from gateway.wire.client_metadata import text_values
from gateway.wire.invalid_body import decode_body
from gateway.wire.openai_chat import OpenAIChat
from gateway.wire.openai_responses.body import TextOptions
from gateway.wire.openai_responses.turns import read_turns, show_image
from gateway.wire.sse import KEEP_ALIVE, encode_event
from policies.envelope import Wanted
from policies.facts import Dialect, Turn

_AFTER_ALL = 1_000_000_000
"""The `sequence_number` of the event that ends a broken stream: a codec does not know how many went before,
and no stream has as many, so numbers still only grow."""

_TOO_MANY_REQUESTS = 429
_STATELESS = "this gateway stores no responses; send the whole conversation in `input`"


class _Request(Struct):
    input: str | list[Raw]
    model: Annotated[str, msgspec.Meta(min_length=1)]
    instructions: Raw = ABSENT
    max_output_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    stream: bool | None = None
    tools: list[Raw] | None = None
    text: TextOptions | None = None
    user: str | None = None
    safety_identifier: str | None = None
    metadata: dict[str, Raw] | None = None
    previous_response_id: str | None = None
    conversation: Raw = ABSENT
    prompt: Raw = ABSENT
    store: bool | None = None
    background: bool | None = None


class _Kind(Struct):
    type: str = "message"
    role: str = ""


_REQUEST = msgspec.json.Decoder(_Request)
_KIND = msgspec.json.Decoder(_Kind)


class OpenAIResponses:
    """Reads requests and words errors; its answers are written by the bridges."""

    dialect: Dialect = "responses"
    ping = KEEP_ALIVE

    def __init__(self) -> None:
        self._chat = OpenAIChat()
        self._bodies = Bodies(_FORM)

    def parse_request(self, raw: bytes) -> ChatRequest:
        """Return the view of a client's body; raise InvalidRequest with `param`."""
        return self._bodies.read(raw)

    def turns(self, request: ChatRequest, wanted: Wanted | None = None) -> Iterator[Turn]:
        """Yield the conversation newest first, decoding one item a step; system turns last."""
        yield from turns_of(request, read_turns, wanted)
        if request.system is not None and (wanted is None or wanted.system):
            yield Turn(role="system", parts=(_text(request.system),))

    def error_body(self, error: GatewayError, request_id: str) -> bytes:
        """Return OpenAI's JSON error body."""
        return self._chat.error_body(error, request_id)

    def error_event(self, error: GatewayError, request_id: str) -> bytes:
        """Return `error`, which OpenAI's clients raise, and `response.failed`, which Codex acts on."""
        told = {"code": error.code, "message": error.message, "param": error.param}
        failure = {
            "type": "error",
            **told,
            "error": {"type": error.type, **told},
            "sequence_number": _AFTER_ALL,
        }
        response = {
            "id": f"resp_{request_id.partition('_')[2] or request_id}",
            "object": "response",
            "created_at": 0,
            "model": "",
            "status": "failed",
            "error": {"code": _failure_code(error), "message": _failure_words(error)},
            "output": [],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
        }
        failed = {"type": "response.failed", "response": response, "sequence_number": _AFTER_ALL + 1}
        return encode_event(msgspec.json.encode(failure), name="error") + encode_event(
            msgspec.json.encode(failed), name="response.failed"
        )


def _decode(raw: bytes) -> tuple[ChatRequest, Sequence[Raw]]:
    view = decode_body(raw, _REQUEST)
    _refuse_state(view)
    form = view.text.format if view.text else None
    request = ChatRequest(
        dialect="responses",
        raw=b"",
        model=view.model,
        stream=bool(view.stream),
        include_usage=True,
        max_output_tokens=view.max_output_tokens,
        system=view.instructions if bytes(present(view.instructions)) else None,
        has_tools=bool(view.tools),
        json_schema=form is not None and form.type == "json_schema",
        user=view.user or view.safety_identifier,
        metadata=text_values(view.metadata),
    )
    return request, _items(view.input)


def _refuse_state(view: _Request) -> None:
    asked = (
        ("previous_response_id", bool(view.previous_response_id), _STATELESS),
        ("conversation", bool(bytes(present(view.conversation))), _STATELESS),
        ("prompt", bool(bytes(present(view.prompt))), f"prompt templates live at OpenAI; {_STATELESS}"),
        ("store", bool(view.store), "this gateway stores no responses; send `store: false`"),
        ("background", bool(view.background), "this gateway runs nothing in the background; leave it out"),
    )
    for param, refused, message in asked:
        if refused:
            raise InvalidRequest(message, param=param)


def _items(given: str | list[Raw]) -> Sequence[Raw]:
    if isinstance(given, str):
        return (Raw(msgspec.json.encode({"role": "user", "content": given})),)
    if not given:
        raise InvalidRequest("`input` is empty; send at least one item", param="input")
    return given


def _check_items(items: Sequence[Raw], since: int) -> None:
    for at in range(since, len(items)):
        _check_item(items[at], f"input[{at}]")


def _check_item(item: Raw, place: str) -> None:
    """Refuse what can be no item, and references to items nobody stored."""
    try:
        kind = _KIND.decode(item)
    except UNREADABLE as error:
        raise InvalidRequest(f"`{place}` is not an item: {error}", param=place) from None
    if kind.type == "item_reference":
        raise InvalidRequest(f"`{place}` refers to a stored item; {_STATELESS}", param=place)
    if kind.type == "message" and kind.role not in {"user", "assistant", "system", "developer"}:
        raise InvalidRequest(
            f"`{kind.role[:40]}` is not a role; use user, assistant, system or developer",
            param=f"{place}.role",
        )


def _text(value: Raw) -> str:
    try:
        return msgspec.json.decode(value, type=str)
    except UNREADABLE:
        return bytes(value).decode(errors="replace")


def _failure_code(error: GatewayError) -> str:
    """Return the code Codex knows: what is worth another try, and what is not."""
    if isinstance(error, ContextTooLong):
        return "context_length_exceeded"
    if isinstance(error, BudgetExceeded):
        return "insufficient_quota"
    return "rate_limit_exceeded" if error.http_status == _TOO_MANY_REQUESTS else "server_error"


def _failure_words(error: GatewayError) -> str:
    """Add the wait in OpenAI's words, from which Codex reads it."""
    wait = error.retry_after_s
    return error.message if wait is None else f"{error.message}. Please try again in {wait:.3f}s."


_FORM = Form(
    name="input",
    decode=_decode,
    check=_check_items,
    image_mark=b'"input_image"',
    shows=show_image,
)
