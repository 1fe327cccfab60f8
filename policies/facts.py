"""What a decision is made from: frozen values the shell gathers before `decide` runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

Tier = Literal["base", "premium"]
Role = Literal["system", "user", "assistant", "tool"]
Dialect = Literal["chat", "messages", "responses", "embeddings"]
AskSource = Literal["user", "approved_plan", "housekeeping", "none"]
RouteWish = Literal["premium", "base", "auto"]
RewriteContract = Literal["auto-only", "floor-only", "rewrite-all"]
HealthState = Literal["closed", "half_open", "open", "limited"]


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One speaker's contribution to a conversation, in any dialect.

    `parts` are the text blocks in order. A message that mixes a human's text with tool results
    reads as two turns: the results with role `tool`, the text with role `user`.
    """

    role: Role
    parts: tuple[str, ...] = ()
    tool_calls: tuple[str, ...] = ()
    """Names of the tools an assistant turn called, in order."""
    tool_arguments_broken: bool = False
    """An assistant turn called a tool with arguments that are not a JSON object."""
    tool_failed: bool = False
    """A tool turn that the client itself marked as an error."""
    images: int = 0


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """The newest human request, freed of what the client wrapped round it.

    Findings point into `text` by character offsets. `evidence` holds pasted code, logs and files that
    came with the ask: measured by signals that want code, never judged as the ask.
    """

    text: str
    source: AskSource = "user"
    client: str | None = None
    """Name of the envelope that matched, e.g. `claude-code`; None for a bare prompt."""
    housekeeping: str | None = None
    """Name of the housekeeping rule that matched (title, summary, ...); None for real work."""
    evidence: tuple[str, ...] = ()


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """How the work has been going, read from the turns since the ask and a bounded tail before it."""

    message_count: int = 0
    user_turns: int = 0
    tool_failures: int = 0
    """Tool results in the tail that report a failure."""
    repeated_error: int = 0
    """How often the most frequent error line recurs in the tail."""
    broken_tool_calls: int = 0
    reasks: int = 0
    """Newest asks that repeat or complain about the one before."""


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """Context the caller declares about the work."""

    service: str | None = None
    environment: str | None = None
    data_class: str | None = None
    impact: str | None = None
    revenue_impact: str | None = None
    customer_impact: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    trusted: bool = False
    """The key may speak for the work (scope `attribution`). Of an untrusted declaration only the data class
    is heeded, and only as far as it forbids something."""


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """Sensitive data in what would leave the gateway: its kind and place, never the data itself."""

    kind: str
    where: str
    """The member of the body: `messages[3]`, `tools[0]`, `system`."""
    start: int
    end: int
    """Characters `[start, end)` of that member's texts, joined by line ends."""


class DataScan(msgspec.Struct, frozen=True, kw_only=True):
    """What the whole outgoing body holds of secrets and personal data."""

    counts: tuple[tuple[str, int], ...] = ()
    """By kind, the kinds that were seen."""
    sightings: tuple[Sighting, ...] = ()
    """The first ones."""
    coverage: float = 1.0
    """The share of the body's text that was searched; below 1 the counts are lower bounds."""


class Features(msgspec.Struct, frozen=True, kw_only=True):
    """Everything known about one request that does not depend on the gateway's state."""

    ask: Ask
    dialect: Dialect = "chat"
    model: str = "auto"
    """What the client asked for, before aliases."""
    pinned_deployments: tuple[str, ...] = ()
    """Deployments the asked model names directly; empty when the model is routed by policy."""
    route_wish: RouteWish | None = None
    """`x-gateway-route`, already checked against the key's right."""
    input_tokens: int = 0
    """Upper bound of the prompt's tokens."""
    max_output_tokens: int | None = None
    choices: int = 1
    """How many answers are asked for (`n`)."""
    has_images: bool = False
    has_tools: bool = False
    conversation: Conversation = Conversation()
    declared: Declared = Declared()
    session: str | None = None
    tags: tuple[str, ...] = ()
    """What the caller files the request's cost under, in order, each once."""
    data: DataScan | None = None
    """What sensitive data the body holds; None where no policy asked."""
    context: Mapping[str, float] | None = None
    """Measures of the code in the prompt by signal name; one left out is unknown. None where no policy
    asked, or the analysis did not end in time."""


class BudgetView(msgspec.Struct, frozen=True, kw_only=True):
    """One money limit as it stood when the request came; nano-USD."""

    scope: str
    """`team:<id>` or `key:<id>`."""
    limit_nano: int
    spent_nano: int
    reserved_nano: int
    hard: bool = True

    @property
    def left_nano(self) -> int:
        """What may still be promised; negative when overspent."""
        return self.limit_nano - self.spent_nano - self.reserved_nano


class PromptCache(msgspec.Struct, frozen=True, kw_only=True):
    """What a deployment is thought to hold of a conversation's prompt."""

    deployment: str
    tokens: int
    until: float
    """Unix time in seconds after which the vendor may have dropped it."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of a conversation across requests."""

    tier: Tier
    turns_since_escalation: int
    """A large number for one that never was."""
    caches: tuple[PromptCache, ...] = ()
    """At most one per deployment."""


class Rights(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller's key allows, as far as deciding is concerned."""

    team: str = ""
    rewrite: RewriteContract = "auto-only"
    packs: tuple[str, ...] = ()
    """The key's own packs, which lie over its team's."""
    allowed_models: frozenset[str] | None = None
    """Model names this key may reach; None for all."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The gateway's state at decision time, with every nondeterminism made an argument."""

    now: float
    """Unix time in seconds."""
    seed: int = 0
    rights: Rights = Rights()
    health: Mapping[str, HealthState] = msgspec.field(default_factory=dict)
    """By deployment id; absent means closed (healthy)."""
    rests_s: Mapping[str, float] = msgspec.field(default_factory=dict)
    """Seconds until a deployment that is open or limited may be asked again."""
    budgets: tuple[BudgetView, ...] = ()
    session: Session | None = None
    economy_threshold: float | None = None
    """The team's current controller threshold; None where the pack's own applies."""
