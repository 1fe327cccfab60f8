"""Reads the bodies of one dialect; of a conversation it has read before, only what is new.

An agent sends its whole conversation with every step. What stands before the newest messages was decoded,
checked and counted when it came first; a later body that begins with the same bytes is read as if those
messages were one empty object, and everything behind them is read as ever; where what stands behind the
list (tools, limits) is the same too, only the new messages are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from gateway.beginnings import Beginning
from gateway.errors import InvalidRequest
from gateway.exchange import ChatRequest
from gateway.wire.splice import JsonObject, extent_before
from policies.envelope import Wanted
from policies.facts import Role, Turn

MAX_CONVERSATIONS = 64
MAX_BYTES = 16 * 1024 * 1024
"""How many conversations are remembered, and how long their bodies may be together."""
_MIN_BYTES = 1_024
"""A shorter beginning is read again as fast as it is found."""
_NEWEST = 2
"""So many messages at the end are read anew: clients move marks about in them from step to step."""
_SAMPLE = 64
_STAND_IN = b"{}"
_MESSAGES = msgspec.json.Decoder(list[Raw])
_HEARD: frozenset[Role] = frozenset({"user", "system"})


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """How the bodies of a dialect are read."""

    name: str
    """The member that lists the messages."""
    decode: Callable[[bytes], tuple[ChatRequest, Sequence[Raw]]]
    """Returns what stands around the messages, and them; raises InvalidRequest."""
    check: Callable[[Sequence[Raw], int], None]
    """Raises InvalidRequest for a message, from the one of that number on, that is none."""
    image_mark: bytes
    """Stands in every message that shows an image."""
    shows: Callable[[Raw], bool]
    """Tells whether a message that holds the mark shows one."""


class _Frame(NamedTuple):
    """What stands around the messages of a body, as it was read."""

    request: ChatRequest
    """Without the body, its messages and what follows from them."""
    members: JsonObject
    tail: memoryview
    """All from the closing bracket of the list on."""
    held: int
    """So many bytes of another body the request and the tail may keep in memory."""


class _Kept(NamedTuple):
    """A beginning, and what its last bytes are: most bodies that do not begin so differ there."""

    sample_at: int
    sample: bytes
    head: memoryview
    """All of the body up to where the beginning ends."""
    beginning: Beginning
    frame: _Frame
    """Of the body that the beginning was found in."""
    size: int


class Bodies:
    """Reads bodies and remembers the beginnings of the newest conversations; threads may share it."""

    def __init__(self, form: Form, *, most: int = MAX_CONVERSATIONS, most_bytes: int = MAX_BYTES) -> None:
        self._form = form
        self._most, self._most_bytes = most, most_bytes
        self._kept: list[_Kept] = []
        """Newest first; replaced, never changed."""

    def read(self, raw: bytes) -> ChatRequest:
        """Return the view of a body; raise InvalidRequest."""
        kept = self._recall(raw)
        if kept is None:
            return self._begin(raw)
        return self._read_between(raw, kept) or self._resume(raw, kept.beginning) or self._begin(raw)

    def _recall(self, raw: bytes) -> _Kept | None:
        kept = self._kept
        for at, one in enumerate(kept):
            if raw.startswith(one.sample, one.sample_at) and raw.startswith(one.head):
                if at:
                    self._kept = [one, *kept[:at], *kept[at + 1 :]]
                return one
        return None

    def _begin(self, raw: bytes) -> ChatRequest:
        request, listed = self._form.decode(raw)
        messages = tuple(listed)
        self._form.check(messages, 0)
        members = JsonObject(raw)
        place = members.place(self._form.name)
        frame = _Frame(request, members, memoryview(raw)[place[1] - 1 if place else 0 :], 0)
        return self._made(raw, messages, frame, None)

    def _read_between(self, raw: bytes, kept: _Kept) -> ChatRequest | None:
        """Read only what is new between a known beginning and a known tail; None where there is other text.

        If in brackets it is a list, then it is the rest of that list, and all around it means what it meant.
        """
        known, was = kept.beginning, kept.frame
        end = len(raw) - len(was.tail)
        if end < known.end or not raw.endswith(was.tail):
            return None
        new = raw[known.end : end]
        try:
            if not new.isascii():
                new.decode()
            listed = _MESSAGES.decode(b"[{}%b]" % new)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        members, held = was.members.moved(raw, known.start), was.held or len(known.body)
        return self._continued(raw, known, listed, _Frame(was.request, members, was.tail, held))

    def _resume(self, raw: bytes, known: Beginning) -> ChatRequest | None:
        """Read on behind what is known; None where only the whole body tells what is wrong or meant.

        A list that comes twice is such a case: its last occurrence counts, and may be the shorter one.
        """
        short = b"".join((raw[: known.start], _STAND_IN, raw[known.end :]))
        try:
            request, listed = self._form.decode(short)
            members = JsonObject(short)
        except (InvalidRequest, ValueError, RecursionError):
            return None
        place = members.place(self._form.name)
        if place is None:
            return None
        tail = memoryview(short)[place[1] - 1 :]
        frame = _Frame(request, members.moved(raw, known.start), tail, len(short))
        return self._continued(raw, known, listed, frame)

    def _continued(self, raw: bytes, known: Beginning, listed: Sequence[Raw], frame: _Frame) -> ChatRequest:
        """Return the view of a body that begins as is known; the first message listed stands in for that."""
        messages = (*known.messages, *listed[1:])
        self._form.check(messages, len(known.messages))
        return self._made(raw, messages, frame, known)

    def _made(
        self, raw: bytes, messages: tuple[Raw, ...], frame: _Frame, known: Beginning | None
    ) -> ChatRequest:
        """Return the view of a body, and remember more of how it begins than is known."""
        seen, end = (len(known.messages), known.end) if known else (0, 0)
        may_show = raw.find(self._form.image_mark, end) >= 0
        if len(messages) - _NEWEST > seen:
            known = self._keep(raw, messages, frame, known, may_show=may_show)
            seen = len(known.messages) if known else 0
        return replace(
            frame.request,
            raw=raw,
            messages=messages,
            has_images=(known is not None and known.has_images)
            or (may_show and self._shows(messages[seen:])),
            members=frame.members,
            beginning=known,
        )

    def _keep(
        self,
        raw: bytes,
        messages: tuple[Raw, ...],
        frame: _Frame,
        known: Beginning | None,
        *,
        may_show: bool,
    ) -> Beginning | None:
        """Return what of the conversation is remembered now: all but its newest messages."""
        place = frame.members.place(self._form.name)
        if place is None:
            return known
        have = 0 if known is None else len(known.messages)
        count = len(messages) - _NEWEST
        extent = extent_before(raw, place, messages[count:])
        if extent is None or extent[1] - extent[0] < _MIN_BYTES:
            return known
        new = messages[have:count]
        beginning = Beginning(
            body=raw,
            start=extent[0],
            end=extent[1],
            tail=frame.tail,
            messages=new,
            has_images=may_show and self._shows(new),
            turns=[None] * len(new),
            heard=bytearray(b"\x01" * len(new)),
        )
        if known is not None:
            beginning.follow(known)
        self._remember(beginning, frame, known)
        return beginning

    def _remember(self, beginning: Beginning, frame: _Frame, instead_of: Beginning | None) -> None:
        head = memoryview(beginning.body)[: beginning.end]
        at, size = len(head) - _SAMPLE, len(beginning.body) + frame.held
        others = [one for one in self._kept if one.beginning is not instead_of][: self._most - 1]
        kept = [_Kept(at, bytes(head[at:]), head, beginning, frame, size), *others]
        size = sum([one.size for one in kept])
        while size > self._most_bytes and len(kept) > 1:
            size -= kept.pop().size
        self._kept = kept

    def _shows(self, messages: Sequence[Raw]) -> bool:
        mark, shows = self._form.image_mark, self._form.shows
        return any(mark in bytes(message) and shows(message) for message in messages)


def turns_of(
    request: ChatRequest, read: Callable[[Raw], tuple[Turn, ...]], wanted: Wanted | None = None
) -> Iterator[Turn]:
    """Yield the turns of a request's messages newest first, each message read once; system turns last.

    `read` returns what one message says, newest first. What is not wanted may be left out.
    """
    wanted = wanted or Wanted()
    messages: tuple[Raw, ...] = request.messages
    system: list[Turn] = []
    known = request.beginning
    remembered, heard = ([], bytearray()) if known is None else (known.turns, known.heard)
    count, at = len(remembered), len(messages) - 1
    while at >= 0:
        turns = remembered[at] if at < count else None
        if turns is None:
            turns = read(messages[at])
            if at < count:
                remembered[at] = turns
                heard[at] = any(turn.role in _HEARD for turn in turns)
        for turn in turns:
            if turn.role == "system":
                system.append(turn)
            else:
                yield turn
        at -= 1
        if wanted.people_only and at < count:
            at = heard.rfind(1, 0, at + 1)
    if wanted.system:
        yield from system
