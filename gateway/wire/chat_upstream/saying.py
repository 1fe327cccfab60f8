"""Runs of chat chunks that add text and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from gateway.wire.chat_upstream.received import Received, Said
from gateway.wire.frame import Frame, Run, learn

SayingKind = Literal["text", "thinking"]

_MARKS: Mapping[SayingKind, tuple[bytes, ...]] = {
    "text": (b'"content":"', b'"content": "'),
    "thinking": (b'"reasoning_content":"', b'"reasoning_content": "'),
}


class SayingFrame:
    """What is around the text of a chunk; the next ones differ in their text only."""

    __slots__ = ("_frame", "kind")

    def __init__(self, frame: Frame, kind: SayingKind) -> None:
        self._frame = frame
        self.kind = kind

    def run(self, segment: bytes, start: int) -> Run | None:
        """Return the run of such chunks at `start`; None where there is none."""
        return self._frame.run(segment, start)


def learn_frame(raw: bytes, chunk: Received) -> SayingFrame | None:
    """Return the frame of a chunk that says one text and does nothing else; None for any other."""
    choices = chunk.choices or ()
    if len(choices) != 1 or choices[0].finish_reason or choices[0].delta is None:
        return None
    kind, text = _only_text(choices[0].delta)
    frame = None if kind is None else learn(raw, _MARKS[kind], text)
    return None if kind is None or frame is None else SayingFrame(frame, kind)


def _only_text(said: Said) -> tuple[SayingKind | None, str]:
    if said.refusal or said.tool_calls or said.thinking_blocks or said.reasoning:
        return None, ""
    if isinstance(said.content, str) and said.content and not said.reasoning_content:
        return "text", said.content
    if said.reasoning_content and not said.content:
        return "thinking", said.reasoning_content
    return None, ""
