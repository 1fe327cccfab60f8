"""Server-sent events as bytes: framing that survives any chunking, and parsing by the WHATWG rules.

Only LF, CRLF and CR end a line; U+2028 and its kin inside JSON are ordinary bytes here.
Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

MAX_EVENT_BYTES = 8 * 1024 * 1024
DONE = b"data: [DONE]\n\n"
"""How the OpenAI dialects say that a stream is complete."""
KEEP_ALIVE = b": keep-alive\n\n"
"""A comment, which every reader of event streams passes over."""

_BOM = b"\xef\xbb\xbf"
# Atomic groups, or a lone CRLF would read as the two line ends CR and LF.
_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINE_END = re.compile(rb"\r\n|\n|\r")


class Event(msgspec.Struct, frozen=True, gc=False):
    """One dispatched event.

    `name` is empty where the stream gave none (which means `message`); `data` has its lines joined by
    LF; `raw` is the event's bytes as they came, blank line included.
    """

    name: str
    data: bytes
    raw: bytes


class EventSplitter:
    """Cut a byte stream into whole events, keeping an unfinished tail of at most `max_event_bytes`.

    Once the tail outgrows the bound, `overflowed` is set, the tail is dropped and `feed` returns nothing.
    """

    __slots__ = ("_limit", "_started", "_tail", "overflowed")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._limit = max_event_bytes
        self._tail = bytearray()
        self._started = False
        self.overflowed = False

    def feed(self, chunk: bytes) -> bytes:
        """Return the bytes of all events that are complete now, unchanged but for a leading BOM."""
        if self.overflowed:
            return b""
        if self._started and not self._tail and chunk.endswith(b"\n\n"):
            return chunk
        if not self._started:
            chunk = self._start(chunk)
        if not self._tail:
            end = len(chunk) if chunk.endswith(b"\n\n") else _last_event_end(chunk, 0)
            self._keep(chunk[end:])
            return chunk[:end]
        searched = len(self._tail) - 1
        self._tail += chunk
        end = _last_event_end(self._tail, searched)
        whole = bytes(self._tail[:end])
        del self._tail[:end]
        self._keep(b"")
        return whole

    def close(self) -> bytes:
        """Return what is left when the stream has ended, without the blank line that never came."""
        rest = bytes(self._tail)
        self._tail.clear()
        return rest

    def _start(self, chunk: bytes) -> bytes:
        """Drop a byte order mark; keep everything back while the first bytes may still become one."""
        chunk = self.close() + chunk
        if len(chunk) < len(_BOM) and _BOM.startswith(chunk):
            self._tail += chunk
            return b""
        self._started = True
        return chunk.removeprefix(_BOM)

    def _keep(self, rest: bytes) -> None:
        self._tail += rest
        if len(self._tail) > self._limit:
            self.overflowed = True
            self._tail.clear()


def blocks(segment: bytes) -> Iterator[bytes]:
    """Yield each event's raw bytes, comment-only ones included; joined they are `segment` again.

    `segment` is whole events, as `EventSplitter.feed` returns them; an unfinished last one is left out.
    """
    start = 0
    if b"\r" not in segment:
        while (end := segment.find(b"\n\n", start) + 2) > 1:
            yield segment[start:end]
            start = end
        return
    for blank in _BLANK_LINE.finditer(segment):
        yield segment[start : blank.end()]
        start = blank.end()


def events(segment: bytes) -> Iterator[Event]:
    """Yield the events of `segment` that carry data; comments, ids and empty events are passed over."""
    for raw in blocks(segment):
        event = parse_block(raw)
        if event is not None:
            yield event


def parse_block(raw: bytes) -> Event | None:
    """Read one event's bytes, with or without its blank line; None where there is no data."""
    if raw.startswith(b"data: ") and raw.find(b"\n") == len(raw) - 2 and b"\r" not in raw:
        return Event("", raw[6:-2], raw)
    name = ""
    data: list[bytes] = []
    for line in _LINE_END.split(raw):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode(errors="replace")
    return Event(name, b"\n".join(data), raw) if data else None


def encode_event(data: bytes, name: str = "") -> bytes:
    """Return one event of single-line `data`, such as encoded JSON."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data) if name else b"data: %b\n\n" % data


def _last_event_end(buffer: bytes | bytearray, searched: int) -> int:
    end = max(buffer.rfind(pair, searched) for pair in (b"\n\n", b"\n\r", b"\r\r")) + 2
    if end < 2:  # noqa: PLR2004 - the length of every pair above
        return 0
    # The LF of a CRLF whose CR ended the blank line.
    return end + 1 if buffer[end - 1 : end + 1] == b"\r\n" else end
