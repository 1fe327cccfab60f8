"""Relay runs of like chunks without looking into each.

The chunks of a stream differ in one text only: everything before and after it repeats. From one chunk
that was read properly a `Frame` is learnt; a run of chunks in that frame needs no decoding, and if the
first one had to be repaired, the same repair fits them all.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_MIN_WINDOW_BYTES = 8 * 1024
_MAX_WINDOW_BYTES = 64 * 1024
_OPENING = b"data: {"
_BLANK_LINE = b"\n\n"
_TEXT_STARTS = (b'content":"', b'content": "', b'arguments":"', b'arguments": "')
"""Some vendors write a space after the colon."""
_STRING_REST = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*')


class Run(NamedTuple):
    """Chunks that fit a frame: where they end in the segment, what to send for them, and their text."""

    end: int
    relayed: bytes
    chunks: int
    text_bytes: int


class Frame:
    """What is around the text in a chunk as it comes and as it is sent on."""

    __slots__ = (
        "_as_is",
        "_prefix",
        "_seam",
        "_sent_prefix",
        "_sent_seam",
        "_sent_suffix",
        "_suffix",
        "_window",
    )

    def __init__(self, came: tuple[bytes, bytes], sent: tuple[bytes, bytes]) -> None:
        self._prefix, self._suffix = came
        self._sent_prefix, self._sent_suffix = sent
        self._seam = self._suffix + self._prefix
        self._sent_seam = self._sent_suffix + self._sent_prefix
        self._as_is = came == sent
        self._window = _MIN_WINDOW_BYTES

    def run(self, segment: bytes, start: int) -> Run | None:
        """Return a run of chunks in this frame at `start`; None where there is none.

        How far it looks doubles with every success and shrinks with every failure, so that a stream
        that keeps changing costs no more than reading its chunks one by one.
        """
        first_end = segment.find(_BLANK_LINE, start) + len(_BLANK_LINE)
        if not segment.startswith(self._suffix, first_end - len(self._suffix)):
            return None
        if not segment.startswith(self._prefix, start):
            return None
        reach = self._window
        while True:
            last = segment.rfind(self._suffix, start, max(start + reach, first_end))
            end = last + len(self._suffix)
            run = self._match(segment[start:end], end)
            if run or end == first_end:
                self._window = min(max(2 * reach, _MIN_WINDOW_BYTES), _MAX_WINDOW_BYTES)
                return run
            reach = (end - start) // 2

    def _match(self, window: bytes, end: int) -> Run | None:
        """Return the run if every line of the window is a chunk in this frame."""
        chunks = window.count(self._seam) + 1
        text_bytes = len(window) - chunks * len(self._seam)
        if text_bytes < 0 or window.count(b"\n") != chunks * len(_BLANK_LINE):
            return None
        relayed = window if self._as_is else self._reframe(window)
        return Run(end, relayed, chunks, text_bytes) if relayed else None

    def _reframe(self, window: bytes) -> bytes:
        """Put the sent frame round each text; empty where a text is more than the inside of one string."""
        first, last = len(self._prefix) - len(_OPENING), len(_BLANK_LINE) - len(self._suffix)
        events = window[len(_OPENING) : -len(_BLANK_LINE)].split(_BLANK_LINE + _OPENING)
        texts = [event[first:last] for event in events]
        if b'"' in b"".join(texts).replace(b'\\"', b""):
            return b""
        return b"%b%b%b" % (self._sent_prefix, self._sent_seam.join(texts), self._sent_suffix)


def learn_frame(came: bytes, sent: bytes) -> tuple[Frame | None, int]:
    """Return the frame of an event that carries a text, as it came and as it is sent, and the text's size.

    A repair that put the role in fits the first chunk only, so nothing is learnt from it.
    """
    text = _text_span(came)
    if text is None:
        return None, 0
    size = text[1] - text[0]
    sent_text = text if sent is came else _text_span(sent)
    first = sent is not came and b'"role":' in sent
    if sent_text is None or first or not _is_plain(came):
        return None, size
    return Frame(_around(came, text), _around(sent, sent_text)), size


def _text_span(event: bytes) -> tuple[int, int] | None:
    """Find the last text of a chunk; a quote inside a JSON string is escaped, so no text fakes a key."""
    starts = [at + len(mark) for mark in _TEXT_STARTS if (at := event.rfind(mark)) >= 0]
    rest = _STRING_REST.match(event, max(starts)) if starts else None
    return rest.span() if rest else None


def _around(event: bytes, span: tuple[int, int]) -> tuple[bytes, bytes]:
    return event[: span[0]], event[span[1] :]


def _is_plain(event: bytes) -> bool:
    return event.startswith(_OPENING) and event.find(b"\n") == len(event) - len(_BLANK_LINE)
