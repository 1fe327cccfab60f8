"""Messages and reasoning on their way into a response."""

from __future__ import annotations

from typing import Literal

import msgspec

from gateway.wire.anthropic_types import RedactedThinkingBlock, ThinkingBlock
from gateway.wire.openai_responses.items import (
    MessageItem,
    OutputText,
    ReasoningItem,
    Refusal,
    Status,
    SummaryText,
)
from gateway.wire.openai_responses.sealed import seal
from gateway.wire.responses_to_chat.events import Place

MessageKind = Literal["output_text", "refusal"]


class OpenMessage:
    """A message under way: one part, of text or of refusal."""

    def __init__(self, place: Place, kind: MessageKind) -> None:
        self.kind = kind
        self.at = place.at
        self._place = place
        self._id = place.item_id("msg")
        self._where = {"item_id": self._id, "output_index": place.at, "content_index": 0}
        self._delta = f"response.{kind}.delta".encode()
        self._texts: list[str] = []
        logprobs = {"logprobs": ()} if kind == "output_text" else {}
        self._encoded = msgspec.json.encode(self._where | logprobs)[1:-1]

    def start(self) -> bytes:
        """Return the events that begin it."""
        added = self._place.added(MessageItem(self._id, "in_progress", []))
        return added + self._event("response.content_part.added", {"part": self._part("")})

    def grow(self, text: str) -> bytes:
        """Return the event that adds text."""
        self._texts.append(text)
        return self._place.events.delta(self._delta, self._encoded, text)

    def end(self, status: Status) -> bytes:
        """Return the events that end it."""
        text = "".join(self._texts)
        told: dict[str, object] = {"refusal": text}
        if self.kind == "output_text":
            told = {"text": text, "logprobs": ()}
        done = self._event(f"response.{self.kind}.done", told)
        part = self._event("response.content_part.done", {"part": self._part(text)})
        return done + part + self._place.done(self.item(status))

    def item(self, status: Status) -> MessageItem:
        """Return the message as it stands."""
        return MessageItem(self._id, status, [self._part("".join(self._texts))])

    def _part(self, text: str) -> OutputText | Refusal:
        return OutputText(text) if self.kind == "output_text" else Refusal(text)

    def _event(self, name: str, members: dict[str, object]) -> bytes:
        return self._place.events.event(name, self._where | members)


class OpenReasoning:
    """Reasoning under way: one summary in words, none where its vendor keeps it to itself."""

    def __init__(self, place: Place, redacted: str = "") -> None:
        self.at = place.at
        self.signature = ""
        self._redacted = redacted
        self._place = place
        self._id = place.item_id("rs")
        self._where = {"item_id": self._id, "output_index": place.at, "summary_index": 0}
        self._encoded = msgspec.json.encode(self._where)[1:-1]
        self._texts: list[str] = []

    @property
    def is_sealed(self) -> bool:
        """Whether it was signed or redacted, after which nothing can be added."""
        return bool(self.signature or self._redacted)

    def start(self) -> bytes:
        """Return the events that begin it."""
        added = self._place.added(ReasoningItem(self._id, []))
        if self._redacted:
            return added
        return added + self._event("response.reasoning_summary_part.added", {"part": SummaryText("")})

    def grow(self, text: str) -> bytes:
        """Return the event that adds text."""
        self._texts.append(text)
        return self._place.events.delta(b"response.reasoning_summary_text.delta", self._encoded, text)

    def end(self, status: Status) -> bytes:
        """Return the events that end it."""
        if self._redacted:
            return self._place.done(self.item(status))
        text = "".join(self._texts)
        done = self._event("response.reasoning_summary_text.done", {"text": text})
        part = self._event("response.reasoning_summary_part.done", {"part": SummaryText(text)})
        return done + part + self._place.done(self.item(status))

    def item(self, _status: Status) -> ReasoningItem:
        """Return the reasoning as it stands."""
        text = "".join(self._texts)
        summary = [] if self._redacted else [SummaryText(text)]
        return ReasoningItem(self._id, summary, self._sealed(text))

    def _sealed(self, text: str) -> str | None:
        if self._redacted:
            return seal([RedactedThinkingBlock(self._redacted)])
        return seal([ThinkingBlock(text, self.signature)]) if self.signature else None

    def _event(self, name: str, members: dict[str, object]) -> bytes:
        return self._place.events.event(name, self._where | members)
