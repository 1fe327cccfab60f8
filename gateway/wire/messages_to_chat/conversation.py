"""An Anthropic history into chat messages."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors import InvalidRequest, Unsupported
from gateway.wire.anthropic_signatures import is_signature
from gateway.wire.chat_to_messages.answer import compact
from gateway.wire.chat_upstream.body import FilePart, Part, SentTurn, TextPart
from gateway.wire.chat_upstream.history import FAILED, PARAGRAPH, ChatHistory
from gateway.wire.chat_upstream.vendors import ChatVendor
from gateway.wire.messages_to_chat.blocks import as_blocks, read_part, read_parts, read_text
from gateway.wire.messages_to_chat.body import Block, Message, MessagesRequest

_BILLING = "x-anthropic-billing-header:"
"""How a system block begins that Claude Code writes for Anthropic's books; it changes with every request
and would spoil another vendor's prompt cache."""


def translate(body: MessagesRequest, vendor: ChatVendor) -> list[SentTurn]:
    """Return the conversation as chat vendors accept it.

    Results of one turn become `tool` messages right after the assistant's, the turn's text follows them.
    Thinking is left out, but for a vendor that takes its own back.

    Raises:
        Unsupported: with the `param` of a block chat has no word for.
        InvalidRequest: a role that does not exist.

    """
    reader = _Reader(vendor)
    system = [block for block in as_blocks(body.system) if not (block.text or "").startswith(_BILLING)]
    reader.history.system(read_text(system, "system"))
    for at, message in enumerate(body.messages):
        reader.read(message, f"messages[{at}]")
    return reader.history.close()


class _Reader:
    def __init__(self, vendor: ChatVendor) -> None:
        self.history = ChatHistory()
        self._vendor = vendor

    def read(self, message: Message, place: str) -> None:
        """Add one message to the history."""
        blocks = as_blocks(message.content)
        match message.role:
            case "user":
                self._user(blocks, f"{place}.content")
            case "assistant":
                self._assistant(blocks, f"{place}.content")
            case "system":
                self.history.system(read_text(blocks, f"{place}.content"))
            case role:
                raise InvalidRequest(f"`{role}` is not a role; use user or assistant", param=f"{place}.role")

    def _user(self, blocks: Sequence[Block], place: str) -> None:
        said: list[Part] = []
        for at, block in enumerate(blocks):
            if block.type == "tool_result":
                self._result(block, f"{place}[{at}]")
            else:
                said += self._checked(read_part(block, f"{place}[{at}]"), f"{place}[{at}]")
        self.history.user(said)

    def _result(self, block: Block, place: str) -> None:
        inner = f"{place}.content"
        parts = self._checked(read_parts(as_blocks(block.content), inner), inner)
        if block.is_error:
            parts.insert(0, TextPart(FAILED))
        self.history.result(block.tool_use_id, parts)

    def _assistant(self, blocks: Sequence[Block], place: str) -> None:
        for at, block in enumerate(blocks):
            if block.type == "tool_use":
                self.history.call(block.id, block.name, compact(block.input))
            elif block.type == "thinking":
                self._thought(block)
            elif block.type != "redacted_thinking":
                self._say(read_part(block, f"{place}[{at}]"))

    def _say(self, parts: Sequence[Part]) -> None:
        self.history.say(PARAGRAPH.join(part.text for part in parts if isinstance(part, TextPart)))

    def _thought(self, block: Block) -> None:
        """Hand reasoning back to the vendor that made it, which is not the one that signs."""
        if self._vendor.takes_reasoning and not is_signature(block.signature):
            self.history.reason(block.thinking or "")

    def _checked(self, parts: list[Part], place: str) -> list[Part]:
        if not self._vendor.takes_files and any(isinstance(part, FilePart) for part in parts):
            raise Unsupported("this model takes no files; send the document's text", param=f"{place}.source")
        return parts
