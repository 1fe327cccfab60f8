"""Relay runs of like chat chunks without looking into each.

If the first chunk of a run had to be repaired, the same repair fits them all.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.wire import frame

_OPENING = b"data: {"
_BLANK_LINE = b"\n\n"
_TEXT_STARTS = (b'content":"', b'content": "', b'arguments":"', b'arguments": "')
"""Some vendors write a space after the colon."""


class Run(NamedTuple):
    """Chunks that fit a frame: where they end in the segment, what to send for them, and their text."""

    end: int
    relayed: bytes | memoryview
    chunks: int
    text_bytes: int


class Frame:
    """What is around the text in a chunk as it comes and as it is sent on."""

    __slots__ = ("_as_is", "_came", "_sent_prefix", "_sent_seam", "_sent_suffix")

    def __init__(self, came: tuple[bytes, bytes], sent: tuple[bytes, bytes]) -> None:
        self._as_is = came == sent
        self._came = frame.Frame(*came, reads=not self._as_is)
        self._sent_prefix, self._sent_suffix = sent
        self._sent_seam = self._sent_suffix + self._sent_prefix

    def run(self, segment: bytes, start: int) -> Run | None:
        """Return a run of chunks in this frame at `start`; None where there is none."""
        run = self._came.run(segment, start)
        if run is None:
            return None
        if self._as_is:
            relayed: bytes | memoryview = memoryview(segment)[start : run.end]
        else:
            relayed = b"%b%b%b" % (self._sent_prefix, self._sent_seam.join(run.texts), self._sent_suffix)
        return Run(run.end, relayed, run.events, run.text_bytes)


def learn_frame(came: bytes, sent: bytes) -> tuple[Frame | None, int]:
    """Return the frame of an event that carries a text, as it came and as it is sent, and the text's size.

    A repair that put the role in fits the first chunk only, so nothing is learnt from it.
    """
    text = frame.text_span(came, _TEXT_STARTS)
    if text is None:
        return None, 0
    size = text[1] - text[0]
    sent_text = text if sent is came else frame.text_span(sent, _TEXT_STARTS)
    first = sent is not came and b'"role":' in sent
    if sent_text is None or first or not _is_plain(came):
        return None, size
    return Frame(_around(came, text), _around(sent, sent_text)), size


def _around(event: bytes, span: tuple[int, int]) -> tuple[bytes, bytes]:
    return event[: span[0]], event[span[1] :]


def _is_plain(event: bytes) -> bool:
    return event.startswith(_OPENING) and event.find(b"\n") == len(event) - len(_BLANK_LINE)
