"""The protocols of the pure codecs: one `Codec` per dialect, one `Bridge` per pair of dialects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

import msgspec

from gateway.errors import GatewayError
from gateway.exchange import ChatRequest, Fault, Target
from policies.envelope import Wanted
from policies.facts import Dialect, Turn
from policies.pricing import Usage


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A complete non-streaming answer in the client's dialect, or the fault found in its place."""

    body: bytes
    usage: Usage | None
    fault: Fault | None = None


class Relay(Protocol):
    """Carries one streaming answer from an upstream's dialect to the client's, without I/O.

    Feed it what arrives in any chunking. It returns the bytes to send on, whole events only, and keeps
    back the ending (usage-only chunk, `[DONE]`, `message_stop`) until `finish`, so that the books can be
    closed before the client sees the end. After `fault` is set it returns nothing more.
    """

    has_output: bool
    """Something of the answer itself was returned by `feed`: text, reasoning, a refusal or a tool call.
    Until then a failure may still fall back to another deployment."""
    usage: Usage | None
    """The vendor's own count, the newest seen; None until it arrives."""
    fault: Fault | None
    """The answer went wrong: an error event, an undecodable event, or an end before the end."""

    @property
    def delivered_tokens(self) -> int:
        """Lower estimate of the output tokens in what was fed so far, for when usage never arrives."""
        ...

    def feed(self, chunk: bytes) -> bytes:
        """Take what arrived, return what to send now (possibly nothing)."""
        ...

    def close(self) -> None:
        """Learn that the upstream ended the body; sets `fault` if that was too early."""
        ...

    def finish(self, receipt: Mapping[str, str | int] | None) -> bytes:
        """Return the kept-back ending; `receipt` (cost facts) goes into the usage chunk, if there is one."""
        ...


class Codec(Protocol):
    """What one client dialect looks like."""

    dialect: Dialect
    ping: bytes
    """An event or comment that means nothing, for streams that would be silent for too long."""

    def parse_request(self, raw: bytes) -> ChatRequest:
        """Return the view of a client's body; raise InvalidRequest with `param`."""
        ...

    def turns(self, request: ChatRequest, wanted: Wanted | None = None) -> Iterator[Turn]:
        """Yield the conversation newest first, decoding only as far as it is asked to; system turns last.

        What is not wanted may be left out.
        """
        ...

    def error_body(self, error: GatewayError, request_id: str) -> bytes:
        """Return the dialect's JSON error body."""
        ...

    def error_event(self, error: GatewayError, request_id: str) -> bytes:
        """Return the SSE bytes that end a stream with an error, nothing else needed after them."""
        ...


class Bridge(Protocol):
    """Carries requests and answers between a client dialect and an upstream dialect."""

    def request(self, request: ChatRequest, target: Target) -> bytes:
        """Return the upstream's body; raise Unsupported where the upstream dialect cannot say it."""
        ...

    def answer(self, request: ChatRequest, body: bytes) -> Answer:
        """Return a complete 200 answer in the client's dialect."""
        ...

    def relay(self, request: ChatRequest) -> Relay:
        """Return a fresh relay for one streaming 200 answer."""
        ...
