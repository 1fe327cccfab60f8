"""A chat client before a chat upstream: bytes pass through, but for the model and the vendor's quirks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from gateway.errors import Unsupported
from gateway.exchange import ChatRequest, Members, Target
from gateway.wire.base import Answer, Relay
from gateway.wire.chat_narrowing import narrow
from gateway.wire.chat_quirks import quirks_of
from gateway.wire.chat_relay import ChatRelay
from gateway.wire.chat_repairs import repair_answer
from gateway.wire.chat_turns import role_of
from gateway.wire.chat_usage import read_usage
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


class _Answer(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


_ANSWER = msgspec.json.Decoder(_Answer)


class ChatToChat:
    """The Bridge of one provider's chat deployments to chat clients."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._quirks = quirks_of(provider)

    def request(self, request: ChatRequest, target: Target) -> bytes:
        """Return the client's body with the vendor's model name, usage asked for, and quirks met."""
        body = members_of(request)
        _refuse(body, self._quirks.refused_fields)
        replace = {"model": msgspec.json.encode(target.model)}
        if request.stream and not request.include_usage:
            replace["stream_options"] = _with_usage(body.get("stream_options"))
        replace |= _clamped(body, dict.fromkeys(_OUTPUT_LIMITS, target.max_output_tokens))
        replace |= _clamped(body, self._quirks.maxima)
        messages = _renamed_roles(request, self._quirks.renamed_roles)
        if messages:
            replace["messages"] = b"[%b]" % b",".join(map(bytes, messages))
        remove = _rename_fields(body, replace, self._quirks.renamed_fields)
        remove += narrow(body, replace, self._quirks)
        return body.splice(replace=replace, remove=remove)

    def answer(self, request: ChatRequest, body: bytes) -> Answer:  # noqa: ARG002 - same dialect, same shape
        """Return a complete 200 answer: the same bytes, unless the vendor left something out."""
        try:
            view = _ANSWER.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return _failed(self._provider, body, None)
        usage = read_usage(view.usage) if bytes(view.usage) else None
        if not view.choices or bytes(view.error) not in _NO_ERROR:
            return _failed(self._provider, body, usage)
        fault = self._quirks.finish_fault(choice.finish_reason for choice in view.choices)
        if fault:
            return Answer(body=b"", usage=usage, fault=fault)
        if self._quirks.incomplete_answers:
            body = repair_answer(body, self._quirks.finish_reasons)
        return Answer(body=body, usage=usage)

    def relay(self, request: ChatRequest) -> Relay:
        """Return a fresh relay for one streaming 200 answer."""
        return ChatRelay(request, self._provider, self._quirks)


def _with_usage(options: bytes | None) -> bytes:
    usage = {"include_usage": b"true"}
    return splice(b"{}" if options in (None, _NULL) else options, replace=usage)


def _clamped(body: Members, maxima: Mapping[str, int | float]) -> dict[str, bytes]:
    """Return the fields whose number is above its maximum, at that maximum."""
    clamped: dict[str, bytes] = {}
    for name, maximum in maxima.items():
        number = _number(body.get(name))
        if number is not None and number > maximum:
            clamped[name] = msgspec.json.encode(maximum)
    return clamped


def _number(value: bytes | None) -> int | float | None:
    number: object = msgspec.json.decode(value) if value else None
    return number if isinstance(number, int | float) else None


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
