"""Reads the bodies of one dialect; of a conversation it has read before, only what is new.

An agent sends its whole conversation with every step. What stands before the newest messages was decoded,
checked and counted when it came first; a later body that begins with the same bytes is read as if those
messages were one empty object, and everything behind them is read as ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Raw

from gateway.beginnings import Beginning
from gateway.errors import InvalidRequest
from gateway.exchange import ChatRequest
from gateway.token_bound import tally
from gateway.wire.splice import JsonObject
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
_LIST = re.compile(rb"\[[ \t\n\r]*")
_BETWEEN = b" \t\n\r,"
_MAX_BETWEEN = 64

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


class _Kept(NamedTuple):
    """A beginning, and what its last bytes are: most bodies that do not begin so differ there."""

    sample_at: int
    sample: bytes
    beginning: Beginning


class Bodies(Generic[Shape]):
    """Reads bodies and remembers the beginnings of the newest conversations; threads may share it."""

    def __init__(
        self, form: Form[Shape], *, most: int = MAX_CONVERSATIONS, most_bytes: int = MAX_BYTES
    ) -> None:
        self._form = form
        self._most, self._most_bytes = most, most_bytes
        self._kept: list[_Kept] = []
        """Newest first; replaced, never changed."""

    def read(self, raw: bytes) -> Body[Shape]:
        """Return a body's view, messages and members; raise InvalidRequest."""
        known = self._recall(raw)
        body = None if known is None else self._resume(raw, known)
        return self._begin(raw) if body is None else body

    def _recall(self, raw: bytes) -> Beginning | None:
        kept = self._kept
        for at, one in enumerate(kept):
            if raw.startswith(one.sample, one.sample_at) and one.beginning.opens(raw):
                if at:
                    self._kept = [one, *kept[:at], *kept[at + 1 :]]
                return one.beginning
        return None

    def _begin(self, raw: bytes) -> Body[Shape]:
        form = self._form
        view = form.decode(raw)
        messages = form.listed(view)
        form.check(messages, 0)
        members = JsonObject(raw)
        may_show = form.image_mark in raw
        return Body(
            view=view,
            messages=messages,
            has_images=may_show and self._shows(messages),
            members=members,
            beginning=self._keep(raw, members, messages, None, may_show=may_show),
        )

    def _resume(self, raw: bytes, known: Beginning) -> Body[Shape] | None:
        """Read on behind what is known; None where only the whole body tells what is wrong or meant.

        A list that comes twice is such a case: its last occurrence counts, and may be the shorter one.
        """
        form, have = self._form, len(known.messages)
        short = b"".join((raw[: known.start], _STAND_IN, raw[known.end :]))
        try:
            view = form.decode(short)
            members = JsonObject(raw, short=short, at=known.start)
        except (InvalidRequest, ValueError, RecursionError):
            return None
        if members.place(form.name) is None:
            return None
        messages = known.messages + form.listed(view)[1:]
        form.check(messages, have)
        beginning = known
        if len(messages) - _NEWEST > have:
            beginning = self._keep(raw, members, messages, known, may_show=True) or known
        newest = messages[len(beginning.messages) :]
        may_show = raw.find(form.image_mark, beginning.end) >= 0
        return Body(
            view=view,
            messages=messages,
            has_images=beginning.has_images or (may_show and self._shows(newest)),
            members=members,
            beginning=beginning,
        )

    def _keep(
        self,
        raw: bytes,
        members: JsonObject,
        messages: tuple[Raw, ...],
        known: Beginning | None,
        *,
        may_show: bool,
    ) -> Beginning | None:
        """Return what of the conversation is remembered now: all but its newest messages."""
        have = 0 if known is None else len(known.messages)
        count = len(messages) - _NEWEST
        place = members.place(self._form.name) if count > have else None
        extent = None if place is None else _extent(raw, place, messages[count:])
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
            _add_known(beginning, known)
        self._remember(beginning, known)
        return beginning

    def _remember(self, beginning: Beginning, instead_of: Beginning | None) -> None:
        at = beginning.end - _SAMPLE
        newest = _Kept(at, beginning.body[at : beginning.end], beginning)
        kept, size = [newest], len(beginning.body)
        for one in self._kept:
            size += len(one.beginning.body)
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


def _extent(raw: bytes, place: tuple[int, int], newest: Sequence[Raw]) -> tuple[int, int] | None:
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


def _add_known(beginning: Beginning, known: Beginning) -> None:
    """Put before what is new what is known already, copying each message once from the body it came in."""
    own, seen = known.messages[: known.owned], known.messages[known.owned :]
    beginning.messages = own + tuple(message.copy() for message in seen) + beginning.messages
    beginning.owned = len(known.messages)
    beginning.has_images = beginning.has_images or known.has_images
    beginning.turns = known.turns + beginning.turns
    beginning.unmixed = known.unmixed
    beginning.session, beginning.system_head = known.session, known.system_head
    if known.counted is not None:
        beginning.counted = known.counted.plus(tally(beginning.body[known.end : beginning.end]))
