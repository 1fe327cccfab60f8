"""Change top-level fields of a JSON object in its bytes, leaving every other byte as it was."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

import msgspec

_SPACE = rb"[ \t\n\r]*"
_OPENING = re.compile(_SPACE + rb"\{" + _SPACE)
_KEY = re.compile(rb'("[^"\\]*(?:\\.[^"\\]*)*")' + _SPACE + rb":" + _SPACE)
_MEMBER_END = re.compile(_SPACE + rb"([,}])" + _SPACE)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_VALUE = json.JSONDecoder()


class _Edit(NamedTuple):
    start: int
    end: int
    text: bytes


class _Member(NamedTuple):
    name: str
    start: int
    value_start: int
    value_end: int


class JsonObject:
    """A JSON object's bytes and where its top-level members lie in them.

    One decode finds the extents; it costs no more than a byte search for a key would, and cannot be
    fooled by the same key deeper down or inside a string.

    Raises:
        ValueError: the bytes are not a JSON object.

    """

    __slots__ = ("_body", "_members", "_names")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._members = _members(body)
        self._names = {member.name: member for member in self._members}

    def get(self, name: str) -> bytes | None:
        """Return the encoded value of a field, the last one where its key repeats; None where absent."""
        member = self._names.get(name)
        return None if member is None else self._body[member.value_start : member.value_end]

    def splice(self, *, replace: Mapping[str, bytes], remove: Collection[str] = ()) -> bytes:
        """Return the bytes with fields replaced (or put in front) and removed; no other byte changes.

        Values of `replace` are encoded JSON. A key that repeats is changed at every occurrence, since
        parsers let the last one win; one in both `replace` and `remove` is removed.
        """
        edits = [
            _Edit(member.value_start, member.value_end, replace[member.name])
            for member in self._members
            if member.name in replace and member.name not in remove
        ]
        edits += _removals(self._members, remove)
        new = [name for name in replace if name not in self._names]
        if new:
            text = b",".join(b"%b:%b" % (msgspec.json.encode(name), replace[name]) for name in new)
            at = self._body.index(b"{") + 1
            edits.append(_Edit(at, at, text if self._names.keys() <= set(remove) else text + b","))
        return _apply(self._body, edits)


def splice(body: bytes, *, replace: Mapping[str, bytes], remove: Collection[str] = ()) -> bytes:
    """Change top-level fields of a JSON object in one go, as `JsonObject.splice` does."""
    return JsonObject(body).splice(replace=replace, remove=remove)


def _members(body: bytes) -> list[_Member]:
    """Return the top-level members in order, duplicates included."""
    last_values = _OBJECT.decode(body)
    members: list[_Member] = []
    position = _must(_OPENING.match(body)).end()
    while not body.startswith(b"}", position):
        key = _must(_KEY.match(body, position))
        name = _TEXT.decode(key[1])
        end = _value_end(body, key.end(), last_values[name])
        members.append(_Member(name, position, key.end(), end))
        after = _must(_MEMBER_END.match(body, end))
        position = after.start(1) if after[1] == b"}" else after.end()
    return members


def _value_end(body: bytes, start: int, last_value: msgspec.Raw) -> int:
    """Return where the value at `start` ends: as `last_value` does, unless its key comes again later."""
    end = start + memoryview(last_value).nbytes
    if body.startswith(last_value, start) and _MEMBER_END.match(body, end):
        return end
    text = body[start:].decode()
    _, length = _VALUE.raw_decode(text)
    return start + len(text[:length].encode())


def _removals(members: list[_Member], remove: Collection[str]) -> list[_Edit]:
    """Cut each removed member with one comma: the one after it, or before it at the end."""
    edits: list[_Edit] = []
    kept_end: int | None = None
    for i, member in enumerate(members):
        if member.name not in remove:
            kept_end = member.value_end
        elif i + 1 < len(members):
            edits.append(_Edit(member.start, members[i + 1].start, b""))
        else:
            start = member.start if kept_end is None else kept_end
            edits = [edit for edit in edits if edit.start < start]
            edits.append(_Edit(start, member.value_end, b""))
    return edits


def _must(match: re.Match[bytes] | None) -> re.Match[bytes]:
    if match is None:
        raise ValueError("the bytes are not one JSON object")
    return match


def _apply(body: bytes, edits: list[_Edit]) -> bytes:
    pieces: list[bytes | memoryview] = []
    view = memoryview(body)
    position = 0
    for edit in sorted(edits):
        pieces += (view[position : edit.start], edit.text)
        position = edit.end
    pieces.append(view[position:])
    return b"".join(pieces)
