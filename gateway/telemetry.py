"""What the request path says of itself: one log line and a set of samples under fixed names."""

from __future__ import annotations

from functools import partial
from typing import TypeVar, cast

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gateway.errors import GatewayError
from gateway.exchange import Exchange
from gateway.ledger import Account, Receipt
from policies.verdicts import Outcome

_ALERTS = "Budgets that reached a share of their limit, once per period."
_LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)

M = TypeVar("M", Counter, Gauge, Histogram)


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
        counter = partial(Counter, registry=registry)
        self._requests = counter(
            "gateway_requests",
            "Requests by team, tier, model that served and status.",
            ["team", "tier", "model", "status"],
        )
        self._cost = counter("gateway_cost_usd", "USD spent, all attempts.", ["team", "tier", "model"])
        self._savings = Gauge(
            "gateway_savings_usd",
            "USD saved against the declared baseline since start, signed.",
            ["team"],
            registry=registry,
        )
        self._latency = Histogram(
            "gateway_request_seconds",
            "Seconds from first byte in to last byte out.",
            ["tier"],
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
        self._triggers = counter("gateway_trigger_findings", "Triggers that fired, by id.", ["trigger"])
        self.workflows = WorkflowMetrics(registry)
        self._children: dict[tuple[object, tuple[str, ...]], object] = {}

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

    def served(self, account: Account, receipt: Receipt, *, status: str, seconds: float) -> None:
        """Note a finished request: one log line, one set of samples; tier and model are those that served."""
        exchange, attempts, shown = account.exchange, account.attempts, account.served
        team, decision = exchange.principal.team_name, exchange.decision
        tier = shown.tier if shown else decision.tier
        model = shown.model if shown else ""
        self._child(self._requests, team, tier, model, status).inc()
        for attempt in attempts:
            self._child(self._cost, team, attempt.tier, attempt.model).inc(attempt.cost_nano / 1e9)
        self._child(self._latency, tier).observe(seconds)
        for finding in decision.findings:
            self._child(self._triggers, finding.trigger).inc()
        savings = receipt.savings_nano
        if savings is not None:
            self._child(self._savings, team).inc(savings / 1e9)
        self.log.info(
            "request",
            request_id=exchange.id,
            team=team,
            key=exchange.principal.key_id,
            asked=exchange.request.model,
            tier=tier,
            model=model,
            ground=decision.ground,
            reason=decision.reason,
            status=status,
            tags=exchange.features.tags,
            attempts=receipt.attempts,
            cost_usd=receipt.cost_nano / 1e9,
            savings_usd=None if savings is None else savings / 1e9,
            baseline=receipt.baseline,
            baseline_usd=None if receipt.baseline_nano is None else receipt.baseline_nano / 1e9,
            wasted_usd=receipt.wasted_nano / 1e9,
            cache_saved_usd=receipt.cache_nano / 1e9,
            estimated=receipt.estimated,
            ms=round(seconds * 1000, 1),
        )

    def _child(self, metric: M, *labels: str) -> M:
        """Return a metric's series, found without the checks and the lock of looking it up by labels."""
        known = self._children.get((metric, labels))
        if known is None:
            known = self._children[metric, labels] = metric.labels(*labels)
        return cast("M", known)

    def exposition(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self.registry)
