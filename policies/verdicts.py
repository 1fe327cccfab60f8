"""What deciding and routing produce: findings, decisions, plans, outcomes and steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from policies.facts import Tier
from policies.origin import Level

Ground = Literal[
    "floor", "economy", "cache", "pin", "route_wish", "sticky", "housekeeping", "guard", "approval", "default"
]
Meanwhile = Literal["base", "deny"]
DenialCode = Literal[
    "policy_denied",
    "context_length_exceeded",
    "unsupported",
    "wrong_endpoint",
    "rate_limited",
    "no_deployment",
]
OutcomeKind = Literal[
    "ok",
    "connect_failed",
    "timeout",
    "rate_limited",
    "overloaded",
    "server_error",
    "garbled",
    "cut_off",
    "auth_failed",
    "account_empty",
    "bad_request",
    "unsupported",
    "context_overflow",
    "refused",
    "budget",
    "check_failed",
    "cancelled",
]


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of the ask, character offsets `[start, end)`, and what was seen there."""

    start: int
    end: int
    label: str
    """The pack's own term or the detector's label, never free text of the prompt."""
    weight: float = 1.0


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """A measured fact: a number and where it was seen."""

    value: float
    spans: tuple[Span, ...] = ()


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A trigger that fired, with the comparison that decided it."""

    trigger: str
    kind: str
    strength: float
    because: str
    """The condition in words with the measured values, e.g. `detector.security 0.91 >= 0.80`."""
    layer: str
    """The pack the trigger comes from."""
    level: Level = "organisation"
    """Whose pack that is."""
    floor: Tier | None = None
    spans: tuple[Span, ...] = ()
    signals: tuple[str, ...] = ()
    """The signals whose values made it fire."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment the plan may call, with the dearest the call can get (nano-USD)."""

    deployment: str
    tier: Tier
    worst_case_nano: int


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment that was considered and left out, and why."""

    deployment: str
    tier: Tier
    reason: str
    guard: str = ""
    """The layer whose class of data keeps the request from it, e.g. `team/strict`; empty where none does."""


class Alternative(msgspec.Struct, frozen=True, kw_only=True):
    """What the same request is expected to cost elsewhere (nano-USD, None when unpriced)."""

    deployment: str
    tier: Tier
    expected_nano: int | None


class Denial(msgspec.Struct, frozen=True, kw_only=True):
    """The policy refuses to route; `reason` is for the caller."""

    code: DenialCode
    reason: str
    retry_after_s: float | None = None
    """How long what stands in the way is known to last."""
    guard: str = ""
    """The layer whose class of data forbids it; empty where none does."""


class ApprovalNeed(msgspec.Struct, frozen=True, kw_only=True):
    """A person has to agree before this decision is carried out."""

    reasons: tuple[str, ...]
    """Why, each a clause for people."""
    worst_case_nano: int
    """The dearest the request can get, which is what is agreed to."""
    expires_after_s: float
    meanwhile: Meanwhile
    """What a client that waits for its answer gets."""
    webhook: str = ""
    """Who is told."""


class Switch(msgspec.Struct, frozen=True, kw_only=True):
    """What moving a conversation to the other tier costs in prompt cache, and the gain that decides on it."""

    lost_tokens: int
    """Prompt tokens the deployment left holds in its cache, and the next one does not."""
    extra_nano: int
    """What they cost more there as plain input than read from a cache."""
    bar: float
    """The threshold with that counted: from it on premium is worth moving to, or staying at."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict, with everything needed to explain it."""

    tier: Tier
    ground: Ground
    reason: str
    """One clause for people; `engine.ascii_clause` cuts it to fit a header."""
    findings: tuple[Finding, ...] = ()
    score: float = 0.0
    threshold: float | None = None
    switch: Switch | None = None
    """Set where gain alone would move a conversation away from a cache."""
    floor: Tier | None = None
    below_floor: bool = False
    """A pin or an obstacle sent the request below the floor a trigger demanded; flagged, not changed."""
    candidates: tuple[Candidate, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    denial: Denial | None = None
    approval: ApprovalNeed | None = None
    decided_by: str = ""
    """The layer that had the last word, e.g. `team/strict`; `caller` for a pin or a wish."""
    data_classes: tuple[str, ...] = ()
    """The classes of data that applied, and why each did."""
    errors: tuple[str, ...] = ()
    """Rules that could not be evaluated, and what was done instead."""
    signals: Mapping[str, float] = msgspec.field(default_factory=dict)
    """Every measured signal by name: what the triggers saw, and all a replay needs of the prompt."""
    policy_revision: str = ""
    price_revision: str = ""

    def is_above(self, tier: Tier) -> bool:
        """Tell whether a trigger's floor demands a higher tier than the one that served."""
        return self.floor == "premium" and tier == "base"


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """How often one deployment is tried again, and how long to wait (seconds)."""

    attempts_per_deployment: int = 3
    base_delay_s: float = 0.25
    max_delay_s: float = 8.0
    deadline_s: float = 600.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The order in which deployments are tried before the commit point."""

    candidates: tuple[Candidate, ...]
    retry: Retry = Retry()
    seed: int = 0
    """Feeds the jitter, so a plan replays exactly."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How one attempt ended, as far as routing cares."""

    deployment: str
    kind: OutcomeKind
    status: int | None = None
    retry_after_s: float | None = None
    message: str = ""
    check: str = ""
    """The answer check that failed, for `check_failed`."""
    elapsed_s: float = 0.0
    """Seconds since the request began, when this outcome was known."""
    committed: bool = False
    """Bytes had already reached the client: nothing may be tried after it."""


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """Call this candidate after waiting `delay_s`."""

    candidate: Candidate
    delay_s: float = 0.0


class Deliver(msgspec.Struct, frozen=True, kw_only=True):
    """The last outcome is good: hand it to the client."""


class GiveUp(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing is left to try; `outcome` is the one to report."""

    outcome: Outcome | None


Step = Start | Deliver | GiveUp
