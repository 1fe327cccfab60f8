"""Reads the bodies of one dialect; of a conversation it has read before, only what is new.

An agent sends its whole conversation with every step. What stands before the newest messages was decoded,
checked and counted when it came first; a later body that begins with the same bytes is read as if those
messages were one empty object, and everything behind them is read as ever; where what stands behind the
list (tools, limits) is the same too, only the new messages are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Raw

from gateway.beginnings import Beginning
from gateway.errors import InvalidRequest
from gateway.exchange import ChatRequest
from gateway.wire.splice import JsonObject, extent_before
from policies.facts import Turn

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

Shape = TypeVar("Shape")


class Form(msgspec.Struct, Generic[Shape], frozen=True, kw_only=True):
    """How the bodies of a dialect are read."""

    name: str
    """The member that lists the messages."""
    decode: Callable[[bytes], Shape]
    """Returns the view of a body; raises InvalidRequest."""
    listed: Callable[[Shape], tuple[Raw, ...]]
    check: Callable[[Sequence[Raw], int], None]
    """Raises InvalidRequest for a message, from the one of that number on, that is none."""
    image_mark: bytes
    """Stands in every message that shows an image."""
    shows: Callable[[Raw], bool]
    """Tells whether a message that holds the mark shows one."""


class Body(msgspec.Struct, Generic[Shape], frozen=True, kw_only=True):
    """A body as it was read."""

    view: Shape
    """Its list of messages may lack those of `beginning`."""
    messages: tuple[Raw, ...]
    has_images: bool
    members: JsonObject
    beginning: Beginning | None


class _Frame(msgspec.Struct, Generic[Shape], frozen=True, kw_only=True):
    """What stands around the messages of a body, as it was read."""

    view: Shape
    members: JsonObject
    place: tuple[int, int]
    """Where the list of messages begins and ends."""
    tail: memoryview
    """All from the list's closing bracket on."""
    held: int
    """So many bytes the view may keep in memory besides the body."""


class _Kept(NamedTuple, Generic[Shape]):
    """A beginning, and what its last bytes are: most bodies that do not begin so differ there."""

    sample_at: int
    sample: bytes
    beginning: Beginning
    frame: _Frame[Shape]
    """Of the body that the beginning was found in."""
    size: int


class Bodies(Generic[Shape]):
    """Reads bodies and remembers the beginnings of the newest conversations; threads may share it."""

    def __init__(
        self, form: Form[Shape], *, most: int = MAX_CONVERSATIONS, most_bytes: int = MAX_BYTES
    ) -> None:
        self._form = form
        self._most, self._most_bytes = most, most_bytes
        self._kept: list[_Kept[Shape]] = []
        """Newest first; replaced, never changed."""

    def read(self, raw: bytes) -> Body[Shape]:
        """Return a body's view, messages and members; raise InvalidRequest."""
        kept = self._recall(raw)
        body = None if kept is None else self._read_between(raw, kept) or self._resume(raw, kept.beginning)
        return self._begin(raw) if body is None else body

    def _recall(self, raw: bytes) -> _Kept[Shape] | None:
        kept = self._kept
        for at, one in enumerate(kept):
            if raw.startswith(one.sample, one.sample_at) and one.beginning.opens(raw):
                if at:
                    self._kept = [one, *kept[:at], *kept[at + 1 :]]
                return one
        return None

    def _begin(self, raw: bytes) -> Body[Shape]:
        form = self._form
        view = form.decode(raw)
        messages = form.listed(view)
        form.check(messages, 0)
        members = JsonObject(raw)
        frame = self._framed(raw, view, members, 0) if len(messages) > _NEWEST else None
        may_show = form.image_mark in raw
        return Body(
            view=view,
            messages=messages,
            has_images=may_show and self._shows(messages),
            members=members,
            beginning=None if frame is None else self._keep(raw, messages, frame, None, may_show=may_show),
        )

    def _framed(self, raw: bytes, view: Shape, members: JsonObject, held: int) -> _Frame[Shape] | None:
        place = members.place(self._form.name)
        if place is None:
            return None
        tail = memoryview(raw)[place[1] - 1 :]
        return _Frame(view=view, members=members, place=place, tail=tail, held=held)

    def _read_between(self, raw: bytes, kept: _Kept[Shape]) -> Body[Shape] | None:
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
            listed = _MESSAGES.decode(b"[%b%b]" % (_STAND_IN, new))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        members = was.members.moved(raw, known.start)
        frame = self._framed(raw, was.view, members, was.held or len(known.body))
        return None if frame is None else self._continued(raw, known, tuple(listed[1:]), frame)

    def _resume(self, raw: bytes, known: Beginning) -> Body[Shape] | None:
        """Read on behind what is known; None where only the whole body tells what is wrong or meant.

        A list that comes twice is such a case: its last occurrence counts, and may be the shorter one.
        """
        form = self._form
        short = b"".join((raw[: known.start], _STAND_IN, raw[known.end :]))
        try:
            view = form.decode(short)
            members = JsonObject(short)
        except (InvalidRequest, ValueError, RecursionError):
            return None
        frame = self._framed(raw, view, members.moved(raw, known.start), len(short))
        return None if frame is None else self._continued(raw, known, form.listed(view)[1:], frame)

    def _continued(
        self, raw: bytes, known: Beginning, new: tuple[Raw, ...], frame: _Frame[Shape]
    ) -> Body[Shape]:
        """Return a body that begins as is known, and remember more of it."""
        beginning, messages = known, known.messages + new
        self._form.check(messages, len(known.messages))
        may_show = raw.find(self._form.image_mark, known.end) >= 0
        if len(messages) - _NEWEST > len(known.messages):
            beginning = self._keep(raw, messages, frame, known, may_show=may_show) or known
        newest = messages[len(beginning.messages) :]
        return Body(
            view=frame.view,
            messages=messages,
            has_images=beginning.has_images or (may_show and self._shows(newest)),
            members=frame.members,
            beginning=beginning,
        )

    def _keep(
        self,
        raw: bytes,
        messages: tuple[Raw, ...],
        frame: _Frame[Shape],
        known: Beginning | None,
        *,
        may_show: bool,
    ) -> Beginning | None:
        """Return what of the conversation is remembered now: all but its newest messages."""
        have = 0 if known is None else len(known.messages)
        count = len(messages) - _NEWEST
        extent = extent_before(raw, frame.place, messages[count:])
        if extent is None or extent[1] - extent[0] < _MIN_BYTES:
            return known
        new = messages[have:count]
        beginning = Beginning(
            body=raw,
            start=extent[0],
            end=extent[1],
            messages=new,
            has_images=may_show and self._shows(new),
            turns=[None] * len(new),
        )
        if known is not None:
            beginning.follow(known)
        self._remember(beginning, frame, known)
        return beginning

    def _remember(self, beginning: Beginning, frame: _Frame[Shape], instead_of: Beginning | None) -> None:
        at, size = beginning.end - _SAMPLE, len(beginning.body) + frame.held
        kept = [_Kept(at, beginning.body[at : beginning.end], beginning, frame, size)]
        for one in self._kept:
            size += one.size
            if len(kept) >= self._most or size > self._most_bytes:
                break
            if one.beginning is not instead_of:
                kept.append(one)
        self._kept = kept

    def _shows(self, messages: Sequence[Raw]) -> bool:
        mark, shows = self._form.image_mark, self._form.shows
        return any(mark in bytes(message) and shows(message) for message in messages)


def turns_of(request: ChatRequest, read: Callable[[Raw], tuple[Turn, ...]]) -> Iterator[Turn]:
    """Yield the turns of a request's messages newest first, each message read once; system turns last.

    `read` returns what one message says, newest first.
    """
    messages: tuple[Raw, ...] = request.messages
    system: list[Turn] = []
    remembered = [] if request.beginning is None else request.beginning.turns
    known = len(remembered)
    for at in range(len(messages) - 1, -1, -1):
        turns = remembered[at] if at < known else None
        if turns is None:
            turns = read(messages[at])
            if at < known:
                remembered[at] = turns
        for turn in turns:
            if turn.role == "system":
                system.append(turn)
            else:
                yield turn
    yield from system
