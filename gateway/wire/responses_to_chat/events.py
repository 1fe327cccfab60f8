"""The events of one response, numbered."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gateway.wire.sse import encode_event

_encode = msgspec.json.Encoder().encode


class Events:
    """Encodes events; each has the next `sequence_number`."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = 0

    def event(self, name: str, members: Mapping[str, object]) -> bytes:
        """Return one event."""
        data = _encode({"type": name, **members, "sequence_number": self._next})
        self._next += 1
        return encode_event(data, name=name)

    def delta(self, name: bytes, place: bytes, text: str) -> bytes:
        """Return one event that adds text; `place` is the members that say to what, encoded."""
        number = self._next
        self._next += 1
        return b'event: %b\ndata: {"type":"%b",%b,"delta":%b,"sequence_number":%d}\n\n' % (
            name,
            name,
            place,
            _encode(text),
            number,
        )


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where an item stands: in which answer, the how manieth of its output."""

    answer_id: str
    at: int
    events: Events

    def item_id(self, prefix: str) -> str:
        """Return the id of an item of one kind."""
        return f"{prefix}_{self.answer_id}_{self.at}"

    def added(self, item: object) -> bytes:
        """Return the event that begins the item."""
        return self.events.event("response.output_item.added", {"output_index": self.at, "item": item})

    def done(self, item: object) -> bytes:
        """Return the event that ends the item."""
        return self.events.event("response.output_item.done", {"output_index": self.at, "item": item})
