"""A chat client before a chat upstream: bytes pass through, but for the model and the vendor's quirks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from gateway.errors import Unsupported
from gateway.exchange import ChatRequest, Members, Target
from gateway.wire.base import Answer, Relay
from gateway.wire.chat_narrowing import narrow
from gateway.wire.chat_quirks import NO_QUIRKS, quirks_of
from gateway.wire.chat_relay import ChatRelay
from gateway.wire.chat_repairs import repair_answer
from gateway.wire.chat_turns import role_of
from gateway.wire.chat_usage import ReportedUsage, usage_of
from gateway.wire.splice import members_of, splice
from gateway.wire.vendor_errors import garbled, read_embedded_fault
from policies.pricing import Usage

_OUTPUT_LIMITS = ("max_completion_tokens", "max_tokens")
_NULL = b"null"
_ASKS_NOTHING = frozenset({None, _NULL, b"false", b"0", b"1", b"[]"})
"""Values of optional fields that ask for no more than leaving them out does (`n` is 1 by default)."""
_NO_ERROR = frozenset({b"", _NULL, b'""', b"{}"})


class _Choice(msgspec.Struct):
    finish_reason: str | None = None


class _Uncounted(msgspec.Struct):
    choices: list[_Choice] | None = None
    error: msgspec.Raw | None = None


class _Answer(_Uncounted):
    usage: ReportedUsage | None = None


_UNCOUNTED = msgspec.json.Decoder(_Uncounted)
_ANSWER = msgspec.json.Decoder(_Answer)


class ChatToChat:
    """The Bridge of one provider's chat deployments to chat clients."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._quirks = quirks_of(provider)

    def request(self, request: ChatRequest, target: Target) -> bytes:
        """Return the client's body with the vendor's model name, usage asked for, and quirks met."""
        body = members_of(request)
        replace = {"model": msgspec.json.encode(target.model)}
        if request.stream and not request.include_usage:
            replace["stream_options"] = _with_usage(body.get("stream_options"))
        for name in _OUTPUT_LIMITS:
            _clamp(body, replace, name, target.max_output_tokens)
        if self._quirks is NO_QUIRKS:
            return body.splice(replace=replace)
        _refuse(body, self._quirks.refused_fields)
        for name, maximum in self._quirks.maxima.items():
            _clamp(body, replace, name, maximum)
        messages = _renamed_roles(request, self._quirks.renamed_roles)
        if messages:
            replace["messages"] = b"[%b]" % b",".join(map(bytes, messages))
        remove = _rename_fields(body, replace, self._quirks.renamed_fields)
        remove += narrow(body, replace, self._quirks)
        return body.splice(replace=replace, remove=remove)

    def answer(self, request: ChatRequest, body: bytes) -> Answer:  # noqa: ARG002 - same dialect, same shape
        """Return a complete 200 answer: the same bytes, unless the vendor left something out."""
        try:
            view, usage = _read_answer(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return _failed(self._provider, body, None)
        if not view.choices or (view.error is not None and bytes(view.error) not in _NO_ERROR):
            return _failed(self._provider, body, usage)
        if self._quirks is NO_QUIRKS:
            return Answer(body=body, usage=usage)
        fault = self._quirks.finish_fault(choice.finish_reason for choice in view.choices)
        if fault:
            return Answer(body=b"", usage=usage, fault=fault)
        if self._quirks.incomplete_answers:
            body = repair_answer(body, self._quirks.finish_reasons)
        return Answer(body=body, usage=usage)

    def relay(self, request: ChatRequest) -> Relay:
        """Return a fresh relay for one streaming 200 answer."""
        return ChatRelay(request, self._provider, self._quirks)


def _read_answer(body: bytes) -> tuple[_Uncounted, Usage | None]:
    """Return what has to be known of an answer and its usage; one counted amiss is an answer all the same."""
    try:
        view = _ANSWER.decode(body)
    except msgspec.ValidationError:
        return _UNCOUNTED.decode(body), None
    return view, None if view.usage is None else usage_of(view.usage)


def _with_usage(options: bytes | None) -> bytes:
    usage = {"include_usage": b"true"}
    return splice(b"{}" if options in (None, _NULL) else options, replace=usage)


def _clamp(body: Members, replace: dict[str, bytes], name: str, maximum: float) -> None:
    """Put a field whose number is above its maximum into `replace`, at that maximum."""
    value = body.get(name)
    if value is None:
        return
    number: object = msgspec.json.decode(value)
    if isinstance(number, int | float) and number > maximum:
        replace[name] = msgspec.json.encode(maximum)


def _refuse(body: Members, fields: Mapping[str, str]) -> None:
    """Raise Unsupported for a field that asks for what the vendor would leave out without a word."""
    for name, message in fields.items():
        if body.get(name) not in _ASKS_NOTHING:
            raise Unsupported(message, param=name)


def _renamed_roles(request: ChatRequest, roles: Mapping[str, str]) -> Sequence[msgspec.Raw]:
    """Return the messages with their roles in the vendor's words; none where nothing changes."""
    if not roles:
        return ()
    found = [role_of(message) or "" for message in request.messages]
    if roles.keys().isdisjoint(found):
        return ()
    return [
        msgspec.Raw(splice(bytes(message), replace={"role": msgspec.json.encode(roles[role])}))
        if role in roles
        else message
        for role, message in zip(found, request.messages, strict=True)
    ]


def _rename_fields(body: Members, replace: dict[str, bytes], names: Mapping[str, str]) -> list[str]:
    """Move fields to their new names in `replace`, unless null; return the old ones, to be removed."""
    old_names = [name for name in names if body.get(name) is not None]
    for name in old_names:
        value = replace.pop(name, None) or body.get(name) or _NULL
        if value != _NULL:
            replace[names[name]] = value
    return old_names


def _failed(provider: str, body: bytes, usage: Usage | None) -> Answer:
    fault = read_embedded_fault(provider, body) or garbled("not a chat completion", body)
    return Answer(body=b"", usage=usage, fault=fault)
