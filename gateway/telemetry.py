"""What the request path says of itself: one log line and a set of samples under fixed names."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import NamedTuple

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gateway.errors import GatewayError
from gateway.exchange import Exchange
from gateway.ledger import Account, Receipt
from gateway.samples import Spread, Sums
from gateway.stores.base import RequestStatus
from policies.verdicts import Outcome

_ALERTS = "Budgets that reached a share of their limit, once per period."
_LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)

_NANO = 1_000_000_000


class _Ended(NamedTuple):
    """A finished request that is still to be told of."""

    account: Account
    receipt: Receipt
    status: RequestStatus
    seconds: float
    tier: str
    model: str


class WorkflowMetrics:
    """What workflows say of themselves."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._events = Counter(
            "gateway_workflow_events",
            "Events of escalation workflows by kind and step.",
            ["kind", "step"],
            registry=registry,
        )
        self._seconds = Histogram(
            "gateway_workflow_step_seconds",
            "Seconds one attempt at a workflow's step took, by step.",
            ["step"],
            buckets=_LATENCY_BUCKETS_S,
            registry=registry,
        )
        self._running = Gauge(
            "gateway_workflows_running", "Workflows this process carries out now.", registry=registry
        )
        self._log = structlog.get_logger("gateway")

    def happened(self, workflow_id: str, kind: str, step: str = "") -> None:
        """Note something that happened to a workflow."""
        self._events.labels(kind, step).inc()
        self._log.info("workflow", workflow_id=workflow_id, kind=kind, step=step or None)

    def step_ended(self, step: str, seconds: float, running: int) -> None:
        """Note an attempt at a step that ended, and how many workflows run."""
        self._seconds.labels(step).observe(seconds)
        self._running.set(running)


class Telemetry:
    """Metrics and the log lines of the request path."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.log = structlog.get_logger("gateway").bind()  # bound once: a line costs no new logger
        registry = self.registry
        counter, sums = partial(Counter, registry=registry), partial(Sums, registry=registry)
        self._requests = sums(
            "gateway_requests",
            "Requests by team, tier, model that served and status.",
            ["team", "tier", "model", "status"],
        )
        self._cost = sums("gateway_cost_usd", "USD spent, all attempts.", ["team", "tier", "model"])
        self._savings = sums(
            "gateway_savings_usd",
            "USD saved against the declared baseline since start, signed.",
            ["team"],
            kind="gauge",
        )
        self._latency = Spread(
            "gateway_request_seconds",
            "Seconds from first byte in to last byte out.",
            "tier",
            buckets=_LATENCY_BUCKETS_S,
            registry=registry,
        )
        self._failures = counter(
            "gateway_attempt_failures", "Failed attempts by deployment and kind.", ["deployment", "kind"]
        )
        self._checks = counter(
            "gateway_answer_check_failures",
            "Base answers withheld because they failed a check, by check and deployment.",
            ["check", "deployment"],
        )
        self._refusals = counter(
            "gateway_refusals", "Requests answered with an error, by its code.", ["code"]
        )
        alert_labels = ["scope", "period", "threshold"]
        self._alerts = counter("gateway_budget_alerts", _ALERTS, alert_labels)
        self._triggers = sums("gateway_trigger_findings", "Triggers that fired, by id.", ["trigger"])
        self.workflows = WorkflowMetrics(registry)
        self._ended: list[_Ended] = []

    def attempt_failed(self, exchange: Exchange, outcome: Outcome) -> None:
        """Note an attempt that did not work."""
        self._failures.labels(outcome.deployment, outcome.kind).inc()
        if outcome.check:
            self._checks.labels(outcome.check, outcome.deployment).inc()
        self.log.warning(
            "attempt_failed",
            request_id=exchange.id,
            deployment=outcome.deployment,
            kind=outcome.kind,
            status=outcome.status,
            message=outcome.message,
        )

    def budget_alert(self, scope: str, period: str, threshold: str) -> None:
        """Note a budget that reached a share of its limit."""
        self._alerts.labels(scope, period, threshold).inc()

    def refused(self, request_id: str, error: GatewayError) -> None:
        """Note a request that was answered with an error; the caller's part of it and the operator's."""
        code = error.code or error.type
        self._refusals.labels(code).inc()
        self.log.info(
            "refused",
            request_id=request_id,
            status=error.http_status,
            code=code,
            message=error.message,
            detail=error.detail,
        )

    def served(self, account: Account, receipt: Receipt, *, status: RequestStatus, seconds: float) -> None:
        """Note a finished request: one log line, one set of samples; tier and model are those that served.

        Requests that end in one round of the loop are told of together at the next, in one go through the
        same code. A process that dies between leaves no line of them; what they cost is in the journal.
        """
        if not self._ended:
            asyncio.get_running_loop().call_soon(self._tell)
        shown = account.served
        tier = shown.tier if shown else account.exchange.decision.tier
        self._ended.append(_Ended(account, receipt, status, seconds, tier, shown.model if shown else ""))

    def _tell(self) -> None:
        """Tell of the requests that ended since the last time."""
        ended, self._ended = self._ended, []
        for one in ended:
            self._count(one)
        for one in ended:
            self._write(one)

    def _count(self, ended: _Ended) -> None:
        account, receipt, status, seconds, tier, model = ended
        exchange = account.exchange
        team = exchange.principal.team_name
        self._requests.series[team, tier, model, status] += 1
        cost, triggers = self._cost.series, self._triggers.series
        for attempt in account.attempts:
            cost[team, attempt.tier, attempt.model] += attempt.cost_nano / _NANO
        self._latency.note(tier, seconds)
        for finding in exchange.decision.findings:
            triggers[finding.trigger,] += 1
        savings = receipt.savings_nano
        if savings is not None:
            self._savings.series[team,] += savings / _NANO

    def _write(self, ended: _Ended) -> None:
        account, receipt, status, seconds, tier, model = ended
        exchange, savings, baseline = account.exchange, receipt.savings_nano, receipt.baseline_nano
        principal, decision = exchange.principal, exchange.decision
        self.log.info(
            "request",
            request_id=exchange.id,
            team=principal.team_name,
            key=principal.key_id,
            asked=exchange.request.model,
            tier=tier,
            model=model,
            ground=decision.ground,
            reason=decision.reason,
            status=status,
            tags=exchange.features.tags,
            attempts=receipt.attempts,
            cost_usd=receipt.cost_nano / _NANO,
            savings_usd=None if savings is None else savings / _NANO,
            baseline=receipt.baseline,
            baseline_usd=None if baseline is None else baseline / _NANO,
            wasted_usd=receipt.wasted_nano / _NANO,
            cache_saved_usd=receipt.cache_nano / _NANO,
            estimated=receipt.estimated,
            ms=round(seconds * 1000, 1),
        )

    def exposition(self) -> bytes:
        """Return the metrics in Prometheus' text format; whatever ended is in them."""
        self._tell()
        return generate_latest(self.registry)
