"""A conversation put together turn by turn, in the order chat vendors insist on.

Every tool result follows the assistant's turn that made the call, before anything else is said; images a
tool returned, for which a `tool` message has no place, are shown by the user right after.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from gateway.wire.anthropic_types import RedactedThinkingBlock, ThinkingBlock
from gateway.wire.chat_to_messages.answer import CalledFunction, ToolCallOut
from gateway.wire.chat_upstream.body import (
    AssistantTurn,
    Part,
    SentTurn,
    SystemTurn,
    TextPart,
    ToolTurn,
    UserTurn,
)

PARAGRAPH = "\n\n"
"""What texts that were separate blocks are joined by, where the dialect has one string only."""

FAILED = "The tool failed:"
"""Put before the result of a tool call the client marks as an error; chat has no such mark."""


class ChatHistory:
    """Takes what was said, oldest first; `turns` is what to send."""

    def __init__(self, *, shows_results: bool = False) -> None:
        """Make an empty history; `shows_results` leaves a tool's images inside its message."""
        self.turns: list[SentTurn] = []
        self._shows_results = shows_results
        self._speaking: AssistantTurn | None = None
        self._shown: list[Part] = []

    def system(self, text: str) -> None:
        """Add a system message, unless it is blank."""
        if text.strip():
            self._append(SystemTurn(text))

    def user(self, parts: Sequence[Part]) -> None:
        """Add what the user says, what tools have shown before it."""
        said = [*self._shown, *parts]
        self._shown = []
        if said:
            self._append(UserTurn(_content(said)))

    def say(self, text: str) -> None:
        """Add to what the assistant says."""
        if text:
            turn = self._assistant()
            turn.content = text if turn.content is None else turn.content + PARAGRAPH + text

    def reason(self, text: str) -> None:
        """Add to what the assistant thought aloud."""
        if text:
            turn = self._assistant()
            before = "" if turn.reasoning_content is UNSET else turn.reasoning_content + PARAGRAPH
            turn.reasoning_content = before + text

    def sign(self, blocks: Sequence[ThinkingBlock | RedactedThinkingBlock]) -> None:
        """Add reasoning its vendor signed."""
        if blocks:
            turn = self._assistant()
            before = [] if turn.thinking_blocks is UNSET else turn.thinking_blocks
            turn.thinking_blocks = [*before, *blocks]

    def call(self, call_id: str, name: str, arguments: str) -> None:
        """Add a call of the assistant's, `arguments` being JSON text."""
        turn = self._assistant()
        before = [] if turn.tool_calls is UNSET else turn.tool_calls
        turn.tool_calls = [*before, ToolCallOut(call_id, CalledFunction(name, arguments))]

    def result(self, call_id: str, parts: Sequence[Part]) -> None:
        """Add a tool's answer."""
        self._speaking = None
        if self._shows_results:
            self.turns.append(ToolTurn(call_id, _content(parts)))
            return
        texts = [part.text for part in parts if isinstance(part, TextPart)]
        shown = [part for part in parts if not isinstance(part, TextPart)]
        if shown:
            note = f"shown by the tool call {call_id}:"
            self._shown += [TextPart(note), *shown]
            texts = texts or ["what this tool returned is shown in the next message"]
        self.turns.append(ToolTurn(call_id, PARAGRAPH.join(texts)))

    def close(self) -> list[SentTurn]:
        """Return the turns, what tools have shown last included."""
        self.user(())
        return self.turns

    def _append(self, turn: SystemTurn | UserTurn) -> None:
        self._flush()
        self._speaking = None
        self.turns.append(turn)

    def _assistant(self) -> AssistantTurn:
        if self._speaking is None:
            self._flush()
            self._speaking = AssistantTurn()
            self.turns.append(self._speaking)
        return self._speaking

    def _flush(self) -> None:
        """Let the user show what tools returned before anyone else speaks."""
        if self._shown:
            shown, self._shown = self._shown, []
            self.turns.append(UserTurn(_content(shown)))


def _content(parts: Sequence[Part]) -> str | list[Part]:
    """Return plain text where there is nothing else: text-only models take no parts."""
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    return PARAGRAPH.join(texts) if len(texts) == len(parts) else list(parts)
