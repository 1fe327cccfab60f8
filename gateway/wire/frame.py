"""Runs of like events, told by a few searches instead of one by one.

The events of a stream differ in one text only: everything before and after it repeats. A `Frame` is what
is around the text, learnt from an event that was read properly; a run of events in it needs no decoding.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

_MIN_WINDOW_BYTES = 8 * 1024
_MAX_WINDOW_BYTES = 64 * 1024
_BLANK_LINE = b"\n\n"
_STRING_REST = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*')
_TEXTS = msgspec.json.Decoder(list[str])


class Run(NamedTuple):
    """Events that fit a frame: where they end in the segment, how many, and the size of their texts."""

    end: int
    events: int
    text_bytes: int
    texts: Sequence[bytes] = ()
    """Their texts as they were written, where the frame reads them."""
    said: Sequence[str] = ()
    """What the texts say."""


class Frame:
    """What is before and after the text in an event; `reads` tells whether its runs need their texts."""

    __slots__ = ("_around", "_lines", "_prefix", "_reads", "_seam", "_suffix", "_window")

    def __init__(self, prefix: bytes, suffix: bytes, *, reads: bool) -> None:
        """Take both as they came, the blank line included."""
        self._prefix = prefix
        self._suffix = suffix
        self._reads = reads
        self._seam = suffix + prefix
        self._around = len(self._seam)
        self._lines = self._seam.count(b"\n")
        self._window = _MIN_WINDOW_BYTES

    def run(self, segment: bytes, start: int) -> Run | None:
        """Return the run of events in this frame at `start`; None where there is none.

        How far it looks doubles with every success and shrinks with every failure, so that a stream
        that keeps changing costs no more than reading its events one by one.
        """
        prefix, suffix = self._prefix, self._suffix
        if not segment.startswith(prefix, start):
            return None
        first_end = segment.find(b"\n", start + len(prefix)) + len(_BLANK_LINE)
        text_bytes = first_end - start - self._around
        if text_bytes < 0 or not segment.startswith(suffix, first_end - len(suffix)):
            return None
        if first_end == len(segment):
            return self._read(segment, start, Run(first_end, 1, text_bytes))
        reach = self._window
        while True:
            last = segment.rfind(suffix, start, max(start + reach, first_end))
            end = last + len(suffix)
            run = self._match(segment, start, end)
            if run or end == first_end:
                self._window = min(max(2 * reach, _MIN_WINDOW_BYTES), _MAX_WINDOW_BYTES)
                return run
            reach = (end - start) // 2

    def _match(self, segment: bytes, start: int, end: int) -> Run | None:
        """Return the run if every line up to `end` is of an event in this frame."""
        events = segment.count(self._seam, start, end) + 1
        text_bytes = end - start - events * self._around
        if text_bytes < 0 or segment.count(b"\n", start, end) != events * self._lines:
            return None
        return self._read(segment, start, Run(end, events, text_bytes))

    def _read(self, segment: bytes, start: int, run: Run) -> Run | None:
        """Return the run with its texts; None where one is not the inside of exactly one JSON string.

        The line break between two strings makes sure that none reaches into the next.
        """
        if not self._reads:
            return run
        first, last = len(self._prefix), len(self._suffix) - len(_BLANK_LINE)
        events = segment[start : run.end - len(_BLANK_LINE)].split(_BLANK_LINE)
        texts = [event[first:-last] for event in events]
        try:
            said = _TEXTS.decode(b'["%b"]' % b'"\n,"'.join(texts))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return Run(run.end, run.events, run.text_bytes, texts, said) if len(said) == len(texts) else None


def learn(event: bytes, marks: Sequence[bytes], text: str) -> Frame | None:
    """Return the frame of an event that was read as saying `text`; None where it cannot be told for sure."""
    span = text_span(event, marks) if sum(map(event.count, marks)) == 1 and b"\r" not in event else None
    if span is None:
        return None
    frame = Frame(event[: span[0]], event[span[1] :], reads=True)
    run = frame.run(event, 0)
    return frame if run is not None and run.said == [text] else None


def text_span(event: bytes, marks: Sequence[bytes]) -> tuple[int, int] | None:
    """Find the last text after one of `marks`; a quote inside a JSON string is escaped, so no text fakes one.

    A mark is a key with its colon and the opening quote.
    """
    starts = [at + len(mark) for mark in marks if (at := event.rfind(mark)) >= 0]
    rest = _STRING_REST.match(event, max(starts)) if starts else None
    return rest.span() if rest else None
