"""What a chat request asks for, for a vendor that knows less: the nearest thing, or a clear 400."""

from __future__ import annotations

import hashlib

import msgspec

from gateway.errors import Unsupported
from gateway.exchange import Members
from gateway.wire.chat_quirks import ChatQuirks
from gateway.wire.in_words import InWords, put_first
from gateway.wire.json_mode import in_json_mode
from gateway.wire.tool_choice_in_words import choose_in_words

_DIGEST_BYTES = 16


def narrow(body: Members, replace: dict[str, bytes], quirks: ChatQuirks) -> list[str]:
    """Add to `replace` what the vendor needs put otherwise; return the fields to remove.

    Raises:
        Unsupported: more stop sequences than the vendor takes, or a tool choice it cannot be told.
        InvalidRequest: a tool choice without its tool.

    """
    _narrow_stop(body, replace, quirks.max_stops)
    remove = _move_user(body, replace, quirks)
    if quirks.chooses_tools_alone:
        choice = choose_in_words(body.get("tool_choice"), body.get("tools"))
        remove += _say(choice, body, replace)
    if quirks.lacks_json_schema:
        remove += _say(in_json_mode(body.get("response_format")), body, replace)
    return remove


def _narrow_stop(body: Members, replace: dict[str, bytes], maximum: int | None) -> None:
    """Refuse too many stop sequences, and put one that comes alone into a list."""
    said = body.get("stop")
    if maximum is None or said is None:
        return
    stop: object = msgspec.json.decode(said)
    if isinstance(stop, list) and len(stop) > maximum:
        raise Unsupported(f"this model takes {maximum} stop sequence at most; send fewer", param="stop")
    if isinstance(stop, str):
        replace["stop"] = msgspec.json.encode([stop])


def _move_user(body: Members, replace: dict[str, bytes], quirks: ChatQuirks) -> list[str]:
    """Put the user's name where the vendor looks for it; a name the client put there itself stays."""
    said = body.get("user")
    if quirks.user_field == "user" or said is None:
        return []
    user: object = msgspec.json.decode(said)
    if isinstance(user, str) and user and body.get(quirks.user_field) is None:
        replace[quirks.user_field] = msgspec.json.encode(_within(user, quirks.user_chars))
    return ["user"]


def _within(user: str, chars: tuple[int, int] | None) -> str:
    if chars is None or chars[0] <= len(user) <= chars[1]:
        return user
    return hashlib.blake2b(user.encode(errors="replace"), digest_size=_DIGEST_BYTES).hexdigest()


def _say(told: InWords, body: Members, replace: dict[str, bytes]) -> list[str]:
    replace |= told.replace
    if told.instruction:
        messages = replace.get("messages") or body.get("messages") or b"[]"
        replace["messages"] = put_first(told.instruction, messages)
    return list(told.remove)
