"""What deciding and routing produce: findings, decisions, plans, outcomes and steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from policies.facts import Tier

Ground = Literal["floor", "economy", "pin", "route_wish", "sticky", "housekeeping", "guard", "default"]
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of the ask, character offsets `[start, end)`, and what was seen there."""

    start: int
    end: int
    label: str
    """The pack's own term or the detector's label, never free text of the prompt."""
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A measured fact: a number and where it was seen."""

    value: float
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A trigger that fired, with the comparison that decided it."""

    trigger: str
    kind: str
    strength: float
    because: str
    """The condition in words with the measured values, e.g. `detector.security 0.91 >= 0.80`."""
    layer: str
    """The pack the trigger comes from."""
    floor: Tier | None = None
    spans: tuple[Span, ...] = ()
    signals: tuple[str, ...] = ()
    """The signals whose values made it fire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A deployment the plan may call, with the dearest the call can get (nano-USD)."""

    deployment: str
    tier: Tier
    worst_case_nano: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A deployment that was considered and left out, and why."""

    deployment: str
    tier: Tier
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """What the same request is expected to cost elsewhere (nano-USD, None when unpriced)."""

    deployment: str
    tier: Tier
    expected_nano: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """The policy refuses to route; `reason` is for the caller."""

    code: DenialCode
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalNeed:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The verdict, with everything needed to explain it."""

    tier: Tier
    ground: Ground
    reason: str
    """One clause for people; `engine.ascii_clause` cuts it to fit a header."""
    findings: tuple[Finding, ...] = ()
    score: float = 0.0
    threshold: float | None = None
    floor: Tier | None = None
    below_floor: bool = False
    """A pin or an obstacle sent the request below the floor a trigger demanded; flagged, not changed."""
    candidates: tuple[Candidate, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    denial: Denial | None = None
    approval: ApprovalNeed | None = None
    errors: tuple[str, ...] = ()
    """Rules that could not be evaluated, and what was done instead."""
    signals: Mapping[str, float] = field(default_factory=dict)
    """Every measured signal by name: what the triggers saw, and all a replay needs of the prompt."""
    policy_revision: str = ""
    price_revision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often one deployment is tried again, and how long to wait (seconds)."""

    attempts_per_deployment: int = 3
    base_delay_s: float = 0.25
    max_delay_s: float = 8.0
    deadline_s: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The order in which deployments are tried before the commit point."""

    candidates: tuple[Candidate, ...]
    retry: Retry = Retry()
    seed: int = 0
    """Feeds the jitter, so a plan replays exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Call this candidate after waiting `delay_s`."""

    candidate: Candidate
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """The last outcome is good: hand it to the client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """Nothing is left to try; `outcome` is the one to report."""

    outcome: Outcome | None


Step = Start | Deliver | GiveUp
