"""Pure codecs of the wire: bytes in, bytes out, no I/O.

A codec knows one client dialect, a bridge one pair of dialects. To add either: its file, its line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.errors import Unsupported
from gateway.wire.anthropic_messages import AnthropicMessages
from gateway.wire.base import Bridge, Codec
from gateway.wire.chat_to_chat import ChatToChat
from gateway.wire.chat_to_messages.bridge import ChatToMessages
from gateway.wire.messages_to_chat.bridge import MessagesToChat
from gateway.wire.messages_to_messages import MessagesToMessages
from gateway.wire.openai_chat import OpenAIChat
from gateway.wire.openai_embeddings import EmbeddingsBridge, OpenAIEmbeddings
from gateway.wire.openai_responses.codec import OpenAIResponses
from gateway.wire.responses_to_chat.bridge import ResponsesToChat
from gateway.wire.responses_to_messages.bridge import ResponsesToMessages
from policies.facts import Dialect

Now = Callable[[], float]

CODECS: tuple[Callable[[], Codec], ...] = (OpenAIChat, AnthropicMessages, OpenAIResponses, OpenAIEmbeddings)
BRIDGES: Mapping[tuple[Dialect, Dialect], Callable[[Now, str], Bridge]] = {
    ("chat", "chat"): lambda _, provider: ChatToChat(provider),
    ("chat", "messages"): ChatToMessages,
    ("messages", "chat"): lambda _, provider: MessagesToChat(provider),
    ("messages", "messages"): lambda _, provider: MessagesToMessages(provider),
    ("embeddings", "embeddings"): lambda _, provider: EmbeddingsBridge(provider),
    ("responses", "chat"): ResponsesToChat,
    ("responses", "messages"): ResponsesToMessages,
}
"""By client dialect and upstream dialect; built per provider, whose quirks they mend."""


class Bridges:
    """Hands out bridges, one per pair of dialects and provider."""

    def __init__(self, now: Now) -> None:
        """Take the clock that stamps translated answers (Unix seconds)."""
        self._now = now
        self._built: dict[tuple[Dialect, Dialect, str], Bridge] = {}

    def between(self, client: Dialect, upstream: Dialect, provider: str) -> Bridge:
        """Return the bridge for a pair; raise Unsupported when the dialects cannot be bridged."""
        place = (client, upstream, provider)
        bridge = self._built.get(place)
        if bridge is None:
            build = BRIDGES.get((client, upstream))
            if build is None:
                raise Unsupported(f"a {client} request cannot be sent to {provider}, which speaks {upstream}")
            bridge = self._built[place] = build(self._now, provider)
        return bridge


def build_codecs() -> dict[Dialect, Codec]:
    """Return every client dialect's codec by its name."""
    return {codec.dialect: codec for codec in (build() for build in CODECS)}
