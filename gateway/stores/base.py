"""The records the gateway keeps and the protocols of what keeps them; nano-USD and Unix ms throughout."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from gateway.stores.directory_base import (
    AuditRow,
    Baseline,
    BudgetRow,
    BudgetSpec,
    Directory,
    KeyChange,
    KeyGrant,
    KeyRow,
    KeySpec,
    OwnedBudget,
    Page,
    Period,
    TeamChange,
    TeamRow,
    TeamSpec,
)
from gateway.stores.state_base import BudgetWindow, Hold, StateStore, split_scope
from policies.facts import Tier
from policies.trigger_validation.history import Labelled, OutcomeLabel
from policies.verdicts import OutcomeKind

__all__ = [
    "AuditRow",
    "Baseline",
    "BudgetRow",
    "BudgetSpec",
    "BudgetWindow",
    "Directory",
    "Hold",
    "KeyChange",
    "KeyGrant",
    "KeyRow",
    "KeySpec",
    "OwnedBudget",
    "Page",
    "Period",
    "StateStore",
    "TeamChange",
    "TeamRow",
    "TeamSpec",
    "split_scope",
]

RequestStatus = Literal["ok", "failed", "cancelled", "interrupted"]
GroupBy = Literal[
    "team",
    "key",
    "model",
    "tier",
    "trigger",
    "tag",
    "day",
    "month",
    "deployment",
    "provider",
    "ground",
    "status",
    "dialect",
    "client_model",
    "baseline",
    "policy_revision",
    "price_revision",
]


MOST_OUTCOMES = 200_000
"""How many outcomes one reading counts at most."""


MOST_WORKFLOWS = 10_000
"""How many workflows one reading of step times looks at."""


class Row(msgspec.Struct, frozen=True, kw_only=True, tag_field="t"):
    """A record that can be written to the spool and to SQL."""


class OpenRow(Row, frozen=True, kw_only=True, tag="open", omit_defaults=True):
    """A request that may have begun to cost money; closed by the RequestRow of the same id."""

    id: str
    at_ms: int
    team_id: str
    key_id: str
    tier: str
    deployment: str
    model: str
    worst_case_nano: int
    policy_revision: str
    price_revision: str


class AttemptRow(Row, frozen=True, kw_only=True, tag="attempt", omit_defaults=True):
    """One call to one deployment, whatever came of it."""

    id: str
    """`<request id>.<sequence>`."""
    request_id: str
    at_ms: int
    deployment: str
    provider: str
    model: str
    tier: str
    outcome: OutcomeKind
    status: int = 0
    delivered: bool = False
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nano: int = 0
    estimated: bool = False
    latency_ms: int = 0
    card: str = ""
    """The `provider/model` of the price table it was priced by."""


class RequestRow(Row, frozen=True, kw_only=True, tag="request", omit_defaults=True):
    """One logical request: its decision, its usage (of all attempts) and its money."""

    id: str
    at_ms: int
    """When the request came in; reports and budgets file it under this instant."""
    team_id: str
    key_id: str
    dialect: str
    client_model: str
    stream: bool
    status: RequestStatus
    http_status: int
    tier: str
    ground: str
    triggers: tuple[str, ...] = ()
    model: str = ""
    """The configured model name that delivered, or was last tried."""
    deployment: str = ""
    provider: str = ""
    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nano: int = 0
    """All attempts together."""
    wasted_nano: int = 0
    """The part of the cost spent on attempts that were not delivered."""
    baseline: str = ""
    baseline_nano: int | None = None
    """What the declared baseline would have cost; None when it cannot be priced."""
    estimated: bool = False
    """Some usage was estimated because the vendor's count never arrived."""
    latency_ms: int = 0
    first_byte_ms: int = 0
    session: str = ""
    policy_revision: str = ""
    price_revision: str = ""
    tags: tuple[str, ...] = ()
    cache_nano: int = 0
    """What the vendors' prompt caches saved; negative when writing to them cost more than reading saved."""


class DecisionRow(Row, frozen=True, kw_only=True, tag="decision", omit_defaults=True):
    """The decision record: every input and the verdict, as JSON, enough to recompute it."""

    id: str
    request_id: str
    at_ms: int
    team_id: str
    record: msgspec.Raw


class OutcomeRow(Row, frozen=True, kw_only=True, tag="outcome", omit_defaults=True):
    """What became of a decision: the caller's word, or a sign that was measured."""

    id: str
    """`<decision id>.<number>.<label>` for a word, `<decision id>.<label>` for a sign: each is kept once."""
    decision_id: str
    request_id: str
    team_id: str
    key_id: str
    at_ms: int
    """When it became known."""
    decided_ms: int
    """When the request came; statistics file the outcome under this instant."""
    label: OutcomeLabel
    said: bool
    """The caller said so; it beats what was measured."""
    tier: Tier
    """Where the answer the outcome speaks of was made."""
    missed: str = ""
    """The trigger that should have spoken: named by the caller, else the one that came nearest."""
    comment: str = ""


class AnswerRow(Row, frozen=True, kw_only=True, tag="answer", omit_defaults=True):
    """The answer a workflow paid for; written in one line with the rows that book it."""

    workflow_id: str
    request_id: str
    at_ms: int
    body: str


AnyRow = OpenRow | AttemptRow | RequestRow | DecisionRow | OutcomeRow | AnswerRow


class ReportQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests a report sums, and by what it groups them; `[since_ms, until_ms)`."""

    since_ms: int
    until_ms: int
    group_by: tuple[GroupBy, ...] = ()
    team_id: str | None = None
    key_id: str | None = None
    team_ids: tuple[str, ...] = ()
    """Only requests of these teams; empty for all. Likewise the keys, models, tiers and tags."""
    key_ids: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    """Only requests that carry one of these tags at least."""
    bucket_s: int | None = None
    """Group by spans of so many seconds too, counted from 1970, as `bucket`."""
    time_zone: str = "UTC"
    """Decides where a `day` and a `month` begin."""


class ReportLine(msgspec.Struct, frozen=True, kw_only=True):
    """Exact sums over the requests of one group."""

    group: dict[str, str]
    requests: int
    failed: int
    cancelled: int
    interrupted: int
    attempts: int
    premium_requests: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    reasoning_tokens: int
    cost_nano: int
    wasted_nano: int
    cache_nano: int
    """What prompt caches saved, signed."""
    baseline_nano: int
    """Sum over the requests whose baseline is priced."""
    compared_cost_nano: int
    """Cost of exactly those requests, so that savings compare like with like."""
    unpriced_baselines: int
    estimated: int
    estimated_nano: int
    """The part of the cost that rests on estimated usage."""
    savings_squares: float
    """Sum of the squares of the compared requests' savings, in square USD: what an interval is made from."""

    @property
    def cache_write_tokens(self) -> int:
        """Return the tokens written to caches of either lifetime."""
        return self.cache_write_5m_tokens + self.cache_write_1h_tokens


class BookedLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one vendor model was booked for on one day, over all attempts at it."""

    day: str
    card: str
    """The `provider/model` of the price table."""
    provider: str
    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cost_nano: int = 0
    estimated_nano: int = 0
    cancelled_nano: int = 0
    interrupted_nano: int = 0
    """The worst cases of requests whose process died; part of the cost."""


class Books(Protocol):
    """The durable truth: ledger, decisions, teams and keys."""

    @property
    def healthy(self) -> bool:
        """Whether rows reach the database and the spool has room: readiness, not liveness."""
        ...

    def append(self, *rows: AnyRow) -> None:
        """Write rows so that they survive the process dying in the next instant; raise StoreUnavailable."""
        ...

    async def flush(self) -> None:
        """Return once every row appended so far can be read back by the queries below."""
        ...

    async def find_grant(self, key_hash: str, now_ms: int) -> KeyGrant | None:
        """Return the grant of a key that is neither revoked nor expired."""
        ...

    async def find_grant_of(self, key_id: str, now_ms: int) -> KeyGrant | None:
        """Return the grant of a key by its id; likewise None once it is revoked or expired."""
        ...

    async def spent_nano(self, scope: str, since_ms: int) -> int:
        """Return what `team:<id>` or `key:<id>` has spent on requests since then."""
        ...

    async def report(self, query: ReportQuery) -> Sequence[ReportLine]:
        """Return one line per group, ordered by group; with no grouping exactly one line."""
        ...

    async def booked(
        self, since_ms: int, until_ms: int, time_zone: str, cards: Mapping[str, str]
    ) -> Sequence[BookedLine]:
        """Return what every vendor model was booked for by local day; raise InvalidRequest for pruned days.

        `cards` names the price of a deployment, for what was booked before prices were named.
        """
        ...


class DecisionReader(Protocol):
    """Yesterday's decisions, for explaining and replaying them."""

    async def decisions_named(self, ids: Sequence[str]) -> Sequence[DecisionRow]:
        """Return the decisions with these ids, as far as they are kept."""
        ...

    async def decision(self, decision_id: str, team_id: str | None = None) -> DecisionRow | None:
        """Return a decision by its id or its request's id; with a team, only if it is the team's own."""
        ...

    def decisions(
        self, since_ms: int, until_ms: int, *, team_id: str | None = None
    ) -> AsyncIterator[DecisionRow]:
        """Yield the decisions of `[since_ms, until_ms)`, oldest first, holding a page at a time."""
        ...

    async def count_decisions(self, since_ms: int, until_ms: int, *, team_id: str | None = None) -> int:
        """Return how many decisions `[since_ms, until_ms)` holds."""
        ...


class StepTime(msgspec.Struct, frozen=True, kw_only=True):
    """How long one step of one workflow took."""

    step: str
    took_ms: int


class OutcomeReader(Protocol):
    """What became of decisions."""

    async def outcomes(self, decision_id: str) -> Sequence[OutcomeRow]:
        """Return what is known of one decision, oldest first."""
        ...

    async def served_tier(self, request_id: str) -> Tier | None:
        """Return the tier that answered a request; None while its books are open."""
        ...

    async def labelled(
        self, since_ms: int, until_ms: int, *, team_id: str | None = None
    ) -> Sequence[Labelled]:
        """Return the outcomes of the decisions of `[since_ms, until_ms)`; of too many the newest."""
        ...

    async def step_times(
        self, since_ms: int, until_ms: int, *, team_id: str | None = None
    ) -> Sequence[StepTime]:
        """Return how long steps took in the workflows submitted then, the newest MOST_WORKFLOWS of them."""
        ...
