"""A chat history into Anthropic's system prompt and alternating turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import msgspec

from gateway.errors import InvalidRequest
from gateway.wire.anthropic_signatures import is_signature
from gateway.wire.anthropic_types import (
    ABSENT,
    DocumentBlock,
    ImageBlock,
    RedactedThinkingBlock,
    SentBlock,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    WireTurn,
    present,
)
from gateway.wire.chat_to_messages.blocks import read_content, read_texts
from gateway.wire.chat_to_messages.body import ChatMessage, SignedThinking
from gateway.wire.chat_to_messages.calls import read_calls, result_id

OPENER = "Continue."
"""Said for the user where a history does not begin with the user, as Anthropic's must."""

_SYSTEM_ROLES = frozenset(("system", "developer"))


class Conversation(msgspec.Struct, frozen=True):
    """The history in Anthropic's form."""

    system: list[TextBlock]
    turns: list[WireTurn]

    @property
    def called_tools(self) -> list[str]:
        """Names of the tools called in the history, each once, in order."""
        blocks = (block for turn in self.turns for block in turn.content)
        return list(dict.fromkeys(block.name for block in blocks if isinstance(block, ToolUseBlock)))

    @property
    def can_think(self) -> bool:
        """Whether Anthropic accepts thinking here.

        It refuses where the last turn is the assistant's (a prefill), and where tool results follow an
        assistant's turn that does not begin with its signed thinking.
        """
        last = self.turns[-1]
        if last.role == "assistant":
            return False
        if not any(isinstance(block, ToolResultBlock) for block in last.content):
            return True
        called = self.turns[-2].content if len(self.turns) > 1 else []
        return bool(called) and isinstance(called[0], ThinkingBlock | RedactedThinkingBlock)


def translate(messages: Sequence[ChatMessage]) -> Conversation:
    """Return the conversation as Anthropic accepts it.

    Leading system and developer messages become the system prompt; a later one becomes a user's text in
    `<system_message>` tags, where it stands. Turns of one role merge, tool results come first in theirs,
    the first turn is the user's, and a trailing assistant's text loses its trailing white space.

    Raises:
        InvalidRequest, Unsupported: with the `param` of the message at fault.

    """
    leading = _leading(messages)
    turns: list[WireTurn] = []
    for at in range(leading, len(messages)):
        _append(turns, *_read_message(messages, at))
    for turn in turns:
        turn.content.sort(key=lambda block: not isinstance(block, ToolResultBlock))
    if not turns or turns[0].role == "assistant":
        turns.insert(0, WireTurn("user", [TextBlock(OPENER)]))
    _trim_prefill(turns)
    return Conversation([block for at in range(leading) for block in _system(messages, at)], turns)


def _leading(messages: Sequence[ChatMessage]) -> int:
    return next((i for i, one in enumerate(messages) if one.role not in _SYSTEM_ROLES), len(messages))


def _read_message(
    messages: Sequence[ChatMessage], at: int
) -> tuple[Literal["user", "assistant"], Sequence[SentBlock]]:
    role = messages[at].role
    reader = _READERS.get(role)
    if reader is None:
        raise InvalidRequest(
            f"`{role}` is not a role; use system, developer, user, assistant or tool",
            param=f"messages[{at}].role",
        )
    return "assistant" if role == "assistant" else "user", reader(messages, at)


def _append(turns: list[WireTurn], role: Literal["user", "assistant"], blocks: Sequence[SentBlock]) -> None:
    if not blocks:
        return
    if turns and turns[-1].role == role:
        turns[-1].content.extend(blocks)
    else:
        turns.append(WireTurn(role, list(blocks)))


def _system(messages: Sequence[ChatMessage], at: int) -> Sequence[TextBlock]:
    blocks = read_texts(messages[at].content, f"messages[{at}].content")
    _mark_last(blocks, messages[at])
    return blocks


def _late_system(messages: Sequence[ChatMessage], at: int) -> Sequence[SentBlock]:
    blocks = _system(messages, at)
    for block in blocks:
        block.text = f"<system_message>\n{block.text}\n</system_message>"
    return blocks


def _user(messages: Sequence[ChatMessage], at: int) -> Sequence[SentBlock]:
    blocks = read_content(messages[at].content, f"messages[{at}].content")
    _mark_last(blocks, messages[at])
    return blocks


def _assistant(messages: Sequence[ChatMessage], at: int) -> Sequence[SentBlock]:
    message = messages[at]
    said = read_content(message.content, f"messages[{at}].content")
    if not said and message.refusal and message.refusal.strip():
        said = [TextBlock(message.refusal)]
    calls = read_calls(messages, at)
    _mark_last(calls or said, message)
    return [*_signed(message.thinking_blocks or ()), *said, *calls]


def _signed(blocks: Sequence[SignedThinking]) -> list[SentBlock]:
    """Keep the thinking Anthropic itself signed; it refuses anyone else's."""
    kept: list[SentBlock] = []
    for block in blocks:
        if block.type == "thinking" and is_signature(block.signature):
            kept.append(ThinkingBlock(block.thinking, block.signature))
        elif block.type == "redacted_thinking" and block.data and is_signature(block.data):
            kept.append(RedactedThinkingBlock(block.data))
    return kept


def _result(messages: Sequence[ChatMessage], at: int) -> Sequence[SentBlock]:
    message = messages[at]
    content = read_content(message.content, f"messages[{at}].content")
    plain = message.content if isinstance(message.content, str) and content else ""
    block = ToolResultBlock(
        result_id(messages, at),
        plain if isinstance(message.content, str) else content or "",
        is_error=bool(message.is_error),
    )
    _mark_last([block], message)
    return [block]


def _mark_last(
    blocks: Sequence[TextBlock | ImageBlock | DocumentBlock | ToolUseBlock | ToolResultBlock],
    message: ChatMessage,
) -> None:
    """Let the message's own `cache_control` travel on its last block."""
    cache_control = present(message.cache_control)
    if blocks and cache_control is not ABSENT:
        blocks[-1].cache_control = cache_control


def _trim_prefill(turns: list[WireTurn]) -> None:
    last = turns[-1].content[-1]
    if turns[-1].role == "assistant" and isinstance(last, TextBlock):
        last.text = last.text.rstrip()


_READERS: Mapping[str, Callable[[Sequence[ChatMessage], int], Sequence[SentBlock]]] = {
    "system": _late_system,
    "developer": _late_system,
    "user": _user,
    "assistant": _assistant,
    "tool": _result,
    "function": _result,
}
