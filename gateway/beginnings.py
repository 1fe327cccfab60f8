"""The beginning of a conversation as it was read before: an agent sends it again with every step. Pure."""

from __future__ import annotations

import msgspec

from gateway.token_bound import Tally, tally
from policies.facts import Turn


class Beginning(msgspec.Struct, kw_only=True):
    """Bytes up to the end of some message, all checked, and what was found out about them.

    It belongs to no request and holds nothing but what the bytes say. The later fields are filled in as
    they are asked for.
    """

    body: bytes
    """A body that begins so; what is behind `end` is not looked at."""
    start: int
    """Where the first message begins."""
    end: int
    """Where the last one ends."""
    tail: memoryview
    """What stood behind the messages, from the closing bracket of their list on."""
    messages: tuple[msgspec.Raw, ...]
    """The first `owned` are copies, the others lie in `body`: no other body is kept in memory for them."""
    has_images: bool
    turns: list[tuple[Turn, ...] | None]
    """By message, newest first within each; None until one is read."""
    heard: bytearray
    """By message: 0 where it is known that neither a person nor the system says anything in it."""
    owned: int = 0
    unmixed: int = 0
    """So many of the first messages are known to hold no thinking but Anthropic's own."""
    counted: Tally | None = None
    """Of `body[:end]`."""
    tail_counted: Tally | None = None
    session: str | None = None
    """What tells the conversation from others, where nothing outside the messages counts."""
    system_head: str | None = None
    """The beginning of the first message as people read it, if it is the system's."""

    def tally(self, raw: bytes) -> Tally:
        """Return what is counted in a body that begins so for the bound of tokens."""
        head, behind, end = self.counted, len(raw) - len(self.tail), self.end
        if head is None:
            head = self.counted = tally(self.body[:end])
        if behind < end or not raw.endswith(self.tail):
            return head.plus(tally(raw[end:]))
        if self.tail_counted is None:
            self.tail_counted = tally(bytes(self.tail))
        return head.plus(tally(raw[end:behind]), self.tail_counted)

    def follow(self, known: Beginning) -> None:
        """Put before what is new what is known already, copying each message once from its body."""
        own, seen = known.messages[: known.owned], known.messages[known.owned :]
        self.messages = own + tuple([message.copy() for message in seen]) + self.messages
        self.owned = len(known.messages)
        self.has_images = self.has_images or known.has_images
        self.turns, self.heard = known.turns + self.turns, known.heard + self.heard
        self.unmixed = known.unmixed
        self.session, self.system_head = known.session, known.system_head
        if self.tail is known.tail:
            self.tail_counted = known.tail_counted
        if known.counted is not None:
            self.counted = known.counted.plus(tally(self.body[known.end : self.end]))
