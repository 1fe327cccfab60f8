"""Change top-level fields of a JSON object in its bytes, leaving every other byte as it was."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec

from gateway.exchange import ChatRequest, Members

_SPACE = rb"[ \t\n\r]*"
_KEY = rb'"([^"\\]*(?:\\.[^"\\]*)*)"' + _SPACE + rb":" + _SPACE
_FIRST_KEY = re.compile(_SPACE + rb"\{" + _SPACE + rb"(?:" + _KEY + rb"|\})")
_NEXT_KEY = re.compile(_SPACE + rb"(?:," + _SPACE + _KEY + rb"|\})")
_LIST = re.compile(rb"\[[ \t\n\r]*")
_BETWEEN = b" \t\n\r,"
_MAX_BETWEEN = 64
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_VALUE = json.JSONDecoder()


class _Edit(NamedTuple):
    start: int
    end: int
    text: bytes


class _Member(msgspec.Struct):
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

    __slots__ = ("_at", "_body", "_by", "_members", "_names")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._members = _members(body)
        self._names = {member.name: member for member in self._members}
        self._at, self._by = len(body), 0

    def moved(self, body: bytes, at: int) -> JsonObject:
        """Return what `body` is: from byte `at` on it has more or other elements in a list of this object.

        All before and behind that list is the same. What was moved already is moved at the same byte.
        """
        whole = object.__new__(JsonObject)
        whole._body, whole._members, whole._names = body, self._members, self._names
        whole._at, whole._by = at, self._by + len(body) - len(self._body)
        return whole

    def place(self, name: str) -> tuple[int, int] | None:
        """Return where a field's value begins and ends; None where its key is absent or repeats."""
        member = self._names.get(name)
        if member is None or (len(self._names) < len(self._members) and self._repeats(name)):
            return None
        return self._now(member.value_start), self._now(member.value_end)

    def get(self, name: str) -> bytes | None:
        """Return the encoded value of a field, the last one where its key repeats; None where absent."""
        member = self._names.get(name)
        if member is None:
            return None
        return self._body[self._now(member.value_start) : self._now(member.value_end)]

    def splice(self, *, replace: Mapping[str, bytes], remove: Collection[str] = ()) -> bytes:
        """Return the bytes with fields replaced (or put in front) and removed; no other byte changes.

        Values of `replace` are encoded JSON. A key that repeats is changed at every occurrence, since
        parsers let the last one win; one in both `replace` and `remove` is removed.
        """
        members = [self._placed(member) for member in self._members if member.name in replace or remove]
        edits = [
            _Edit(member.value_start, member.value_end, replace[member.name])
            for member in members
            if member.name in replace and member.name not in remove
        ]
        edits += _removals(members, remove)
        new = [name for name in replace if name not in self._names]
        if new:
            text = b",".join(b"%b:%b" % (msgspec.json.encode(name), replace[name]) for name in new)
            at = self._body.index(b"{") + 1
            edits.append(_Edit(at, at, text if self._names.keys() <= set(remove) else text + b","))
        return _apply(self._body, edits)

    def _now(self, place: int) -> int:
        return place + self._by if place > self._at else place

    def _placed(self, member: _Member) -> _Member:
        return _Member(
            member.name, self._now(member.start), self._now(member.value_start), self._now(member.value_end)
        )

    def _repeats(self, name: str) -> bool:
        return sum(member.name == name for member in self._members) > 1


def members_of(request: ChatRequest) -> Members:
    """Return the members of a request's body: as parsing found them, else looked for now."""
    return JsonObject(request.raw) if request.members is None else request.members


def splice(body: bytes, *, replace: Mapping[str, bytes], remove: Collection[str] = ()) -> bytes:
    """Change top-level fields of a JSON object in one go, as `JsonObject.splice` does."""
    return JsonObject(body).splice(replace=replace, remove=remove)


def extent_before(
    raw: bytes, place: tuple[int, int], newest: Sequence[msgspec.Raw]
) -> tuple[int, int] | None:
    """Return where in a list all but its `newest` elements lie; None where the list is oddly written."""
    opening = _LIST.match(raw, place[0])
    end = _before(raw, place[1] - 1)
    for message in reversed(newest):
        start = end - memoryview(message).nbytes
        if not raw.startswith(message, start):
            return None
        end = _before(raw, start)
    return None if opening is None else (opening.end(), end)


def _before(raw: bytes, end: int) -> int:
    """Return where what stands before a separator ends; too long a separator is not seen through."""
    piece = raw[max(0, end - _MAX_BETWEEN) : end]
    return end - len(piece) + len(piece.rstrip(_BETWEEN))


def _members(body: bytes) -> list[_Member]:
    """Return the top-level members in order, duplicates included."""
    last_values = _OBJECT.decode(body)
    members: list[_Member] = []
    key = _must(_FIRST_KEY.match(body))
    while (quoted := key[1]) is not None:
        name = _TEXT.decode(b'"%b"' % quoted) if b"\\" in quoted else quoted.decode()
        start, value = key.end(), last_values[name]
        end = start + len(memoryview(value))
        next_key = _NEXT_KEY.match(body, end) if body.startswith(value, start) else None
        if next_key is None:  # the key comes again later, with another value
            end = _value_end(body, start)
            next_key = _must(_NEXT_KEY.match(body, end))
        members.append(_Member(name, key.start(1) - 1, start, end))
        key = next_key
    return members


def _value_end(body: bytes, start: int) -> int:
    text = body[start:].decode()
    _, length = _VALUE.raw_decode(text)
    return start + len(text[:length].encode())


def _removals(members: list[_Member], remove: Collection[str]) -> list[_Edit]:
    """Cut each removed member with one comma: the one after it, or before it at the end."""
    edits: list[_Edit] = []
    if not remove:
        return edits
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
