"""The values that travel the request's path, and the protocols of the parties it meets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from typing import Literal, Protocol

import msgspec

from gateway.beginnings import Beginning
from gateway.clock import decision_id_of
from policies.facts import Dialect, Features, RewriteContract, Snapshot
from policies.policy import Policy
from policies.verdicts import Decision, OutcomeKind

Scope = Literal["inference", "reports", "admin", "attribution", "approval"]


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """An authenticated caller."""

    key_id: str
    key_name: str
    team_id: str
    team_name: str
    scopes: frozenset[Scope]
    rewrite: RewriteContract = "auto-only"
    """The key's contract, the team's where the key has none."""
    packs: tuple[str, ...] = ()
    """The key's own packs, over its team's."""
    honours_route_wish: bool = True
    allowed_models: frozenset[str] | None = None
    """Model names this key may reach; None for all."""
    baseline: str = "all-premium"
    """What savings are measured against: `all-premium`, `all-base` or `requested`."""
    time_zone: str = "UTC"
    organisation: bool = False
    """Whether the scope `admin` reaches all teams, and not the caller's own alone."""

    @property
    def seen_team(self) -> str | None:
        """Return the only team whose requests and decisions the caller may see; None for all of them."""
        return None if self.organisation else self.team_id


class Members(Protocol):
    """Where the top-level members of a body lie in it."""

    def get(self, name: str) -> bytes | None:
        """Return the encoded value of a field; None where absent."""
        ...

    def splice(self, *, replace: Mapping[str, bytes], remove: Collection[str] = ()) -> bytes:
        """Return the body with fields replaced (or put in front) and removed; no other byte changes."""
        ...


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A client's inference request: the bytes as they came, and a view of what routing needs.

    The view is a partial decode; `raw` stays the truth that is forwarded.
    """

    dialect: Dialect
    raw: bytes
    model: str
    stream: bool = False
    include_usage: bool = False
    """The client asked to see usage in the stream (always true in dialects that always show it)."""
    max_output_tokens: int | None = None
    choices: int = 1
    """`n`: how many answers are asked for."""
    messages: tuple[msgspec.Raw, ...] = ()
    system: msgspec.Raw | None = None
    """The system prompt where the dialect keeps it apart from the messages."""
    has_images: bool = False
    has_tools: bool = False
    json_schema: bool = False
    """The client demands an answer by JSON schema."""
    user: str | None = None
    metadata: Mapping[str, str] | None = None
    members: Members | None = None
    """Those of `raw`, where parsing found them."""
    beginning: Beginning | None = None
    """What of the conversation is remembered: `raw` and `messages` begin with it."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The deployment as the wire codecs need to know it."""

    deployment: str
    provider: str
    model: str
    """The vendor's own model name."""
    dialect: Dialect
    max_output_tokens: int


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """A vendor's failure, read from its status line, headers or bytes."""

    kind: OutcomeKind
    message: str
    """The vendor's words, cut to 500 characters; shown to the caller only for its own 4xx."""
    status: int | None = None
    retry_after_s: float | None = None
    check: str = ""
    """The answer check that failed, where one did."""


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds allowed for each stage of a call; `idle_s` is between two reads of the body."""

    connect_s: float = 10.0
    first_byte_s: float = 300.0
    idle_s: float = 120.0
    total_s: float = 600.0


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt, ready to be sent: an HTTP POST in the upstream's dialect."""

    deployment: str
    url: str
    headers: Mapping[str, str]
    """All headers but host, content-length and connection; holds the vendor key, so it is never logged."""
    body: bytes
    stream: bool
    timeouts: Timeouts = Timeouts()


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One logical request on its way: who asked, what, when, and what was decided."""

    id: str
    principal: Principal
    request: ChatRequest
    features: Features
    snapshot: Snapshot
    policy: Policy
    decision: Decision
    started_s: float
    """Unix time at which the request came."""
    started_monotonic_s: float

    @property
    def decision_id(self) -> str:
        """Return the decision's id, which names the same instant and randomness as the request's."""
        return decision_id_of(self.id)


class TransportFailure(Exception):
    """No usable HTTP answer: connecting, sending or reading failed.

    `kind` is one of connect_failed, timeout, garbled (not HTTP, or a bound exceeded), cut_off (the
    peer closed before the end).
    """

    def __init__(self, kind: OutcomeKind, message: str) -> None:
        super().__init__(message)
        self.kind: OutcomeKind = kind


class Reply(Protocol):
    """An upstream's answer, head first; exactly one of `read` and iteration is used, then `close`."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case; repeated headers joined by `, `."""

    @property
    def whole(self) -> bool:
        """Tell whether all of the body has been handed out, so that reading on would not wait."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives, transfer and content encoding removed; raise TransportFailure."""
        ...

    async def read(self, limit: int) -> bytes:
        """Return the whole body; raise TransportFailure (garbled) past `limit` bytes."""
        ...

    async def close(self) -> None:
        """Release the connection: reused when the body was read to its end, closed otherwise. Idempotent."""
        ...


class Upstream(Protocol):
    """Something that turns a Call into a Reply: an HTTP client, or a library that speaks for a vendor."""

    async def send(self, call: Call) -> Reply:
        """Send `call` and return once the answer's head is there; raise TransportFailure.

        Cancelling the caller closes the connection at once.
        """
        ...

    async def close(self) -> None:
        """Close idle connections; calls under way are left alone."""
        ...
