"""How a block of an Anthropic stream grows: delta by delta, like ones in a row told at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from gateway.wire.anthropic_events import BlockDelta, InputJsonDelta, TextDelta, ThinkingDelta
from gateway.wire.frame import Frame, Run, learn

GrowthKind = Literal["text", "partial_json", "thinking"]

_MARKS: Mapping[GrowthKind, tuple[bytes, bytes]] = {
    "text": (b'"text":"', b'"text": "'),
    "partial_json": (b'"partial_json":"', b'"partial_json": "'),
    "thinking": (b'"thinking":"', b'"thinking": "'),
}
"""How a delta's text begins; some vendors write a space after the colon."""
_encode = msgspec.json.Encoder().encode


class Growth(NamedTuple):
    """What one delta, or several like ones in a row, add to a block."""

    block: int
    kind: GrowthKind
    said: Sequence[str]
    """What each adds."""
    texts: Sequence[bytes]
    """The same as JSON writes it, without the quotes."""


class GrowthFrame:
    """What is around the text of a delta; the next ones differ in their text only."""

    __slots__ = ("_block", "_frame", "_kind")

    def __init__(self, frame: Frame, block: int, kind: GrowthKind) -> None:
        self._frame = frame
        self._block = block
        self._kind = kind

    def run(self, segment: bytes, start: int) -> Run | None:
        """Return the run of such deltas at `start`; None where there is none."""
        return self._frame.run(segment, start)

    def growth(self, run: Run) -> Growth:
        """Return what a run adds."""
        return Growth(self._block, self._kind, run.said, run.texts)


def read_growth(event: BlockDelta) -> Growth | None:
    """Return what a delta adds; None for one without text, such as a signature."""
    match event.delta:
        case TextDelta(text):
            kind: GrowthKind = "text"
        case InputJsonDelta(text):
            kind = "partial_json"
        case ThinkingDelta(text):
            kind = "thinking"
        case _:
            return None
    return Growth(event.index, kind, (text,), (_encode(text)[1:-1],))


def learn_frame(raw: bytes, growth: Growth) -> GrowthFrame | None:
    """Return the frame of a delta that was read as `growth`; None where its text cannot be told for sure."""
    (said,) = growth.said
    frame = learn(raw, _MARKS[growth.kind], said)
    return None if frame is None else GrowthFrame(frame, growth.block, growth.kind)
