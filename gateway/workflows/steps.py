"""The six steps of an escalation workflow, each restartable: what one did is read from its events.

Step, what it does, what undoes it:
detect      which triggers fire; nothing to undo.
analyse     what the task's code measures; nothing to undo.
decide      the verdict, written down once; nothing to undo.
escalate    who may serve it now, and a person's agreement where the policy asks for it; a request for
            approval is withdrawn when the workflow is cancelled.
execute     the paid call; an attempt that fails or is cancelled gives its reservation back and is booked.
validate    the checks the answer passes; nothing to undo, the answer stays with its marks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from gateway.errors import Conflict, GatewayError, Interrupted
from gateway.explain import explain
from gateway.failures import denial_error
from gateway.pack_files import load_impact_rules
from gateway.pipeline import Pipeline
from gateway.stores.base import AnswerRow, Books
from gateway.stores.workflows_base import Detail, StepName, WorkflowStore
from gateway.tasks import Analysis, analyze_task
from gateway.track_records import TrackRecords
from gateway.wire.answer_views import view_answer
from gateway.workflows.journal import Journal
from gateway.workflows.problems import problem_of
from gateway.workflows.work import Decided, Work
from policies.answer_checks import CHECK_NAMES, check_answer
from policies.engine import fire
from policies.pricing import usd
from policies.trigger_validation import validate
from policies.verdicts import Finding

_IN_FLIGHT = frozenset({"interrupted", "cancelled"})
"""How the ledger books a call whose answer nobody will see."""


class WaitingForApproval(Exception):
    """The workflow goes on when a person has agreed; until then it holds nothing."""


class Detection(msgspec.Struct, frozen=True, kw_only=True):
    """What the step `detect` found."""

    findings: tuple[Finding, ...]
    signals: dict[str, float]
    errors: tuple[str, ...]
    ask_chars: int


class Escalation(msgspec.Struct, frozen=True, kw_only=True):
    """Who may serve the task, in order."""

    tier: str
    deployments: tuple[str, ...]
    worst_case_usd: str
    approved_by: str | None = None


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """What the paid call came to."""

    request_id: str
    tier: str = ""
    model: str = ""
    cost_usd: str | None = None
    failed_check: str = ""
    recovered: bool = False
    """The answer had been paid for and kept before its process died; it was not bought again."""


class CheckLine(msgspec.Struct, frozen=True, kw_only=True):
    """One answer check; `passed` is null where it does not apply."""

    check: str
    passed: bool | None
    reason: str


class Validation(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the answer is good, as far as checks can tell."""

    valid: bool
    checks: tuple[CheckLine, ...]


Result = Detection | Analysis | Decided | Escalation | Execution | Validation


class Home(msgspec.Struct, frozen=True, kw_only=True):
    """What this process knows of calls it finds open, and how often they may be made again."""

    name: str
    """Of its journal's folder."""
    worker: str
    lease_s: float
    since_ms: int
    """When that journal's predecessors were read into the books."""
    reruns: int


class StepParts(msgspec.Struct, frozen=True, kw_only=True):
    """What steps are carried out with."""

    pipeline: Pipeline
    store: WorkflowStore
    books: Books
    track_records: TrackRecords
    journal: Journal


class Steps:
    """Carries single steps out; `Runner` says when."""

    def __init__(self, parts: StepParts, home: Home) -> None:
        self._pipeline = parts.pipeline
        self._store = parts.store
        self._books = parts.books
        self._track_records = parts.track_records
        self._journal = parts.journal
        self._home = home
        self._bought: dict[str, Execution] = {}
        """Answers in the journal of this process that SQL may not hold yet."""
        self.by_name: Mapping[StepName, Callable[[Work], Awaitable[Result]]] = {
            "detect": self.detect,
            "analyse": self.analyse,
            "decide": self.decide,
            "escalate": self.escalate,
            "execute": self.execute,
            "validate": self.validate,
        }

    async def detect(self, work: Work) -> Detection:
        """Return which triggers fire on the task."""
        exchange = work.exchange
        measured = exchange.policy.measuring.measure(exchange.features)
        findings, errors = fire(measured.near, measured.signals)
        return Detection(
            findings=findings,
            signals=measured.values,
            errors=errors,
            ask_chars=len(exchange.features.ask.text),
        )

    async def analyse(self, work: Work) -> Analysis:
        """Return what the task's code measures, and its business impact and risk."""
        ask, rules = work.exchange.features.ask, load_impact_rules()
        return await asyncio.to_thread(analyze_task, work.order.task, ask, rules)

    async def decide(self, work: Work) -> Decided:
        """Return the verdict, its findings validated; raise what a client is told where policy refuses."""
        exchange, decision = work.exchange, work.exchange.decision
        if decision.denial is not None:
            raise denial_error(decision.denial)
        history = await self._track_records.history(exchange.principal.team_id)
        return Decided(
            sentence=explain(decision).sentence,
            decision=decision,
            assessments=validate(
                decision, exchange.features, exchange.snapshot, exchange.policy, history=history
            ),
        )

    async def escalate(self, work: Work) -> Escalation:
        """Return who may serve the task now; raise WaitingForApproval where a person has to agree first."""
        decision = work.decided()
        if decision.denial is not None:
            raise denial_error(decision.denial)
        worst = max(candidate.worst_case_nano for candidate in decision.candidates)
        need = decision.approval
        if need is not None and not work.progress.approvals:
            detail = Detail(
                reason="; ".join(need.reasons)[:2_000],
                worst_case_nano=need.worst_case_nano,
                expires_ms=self._journal.now_ms + int(need.expires_after_s * 1000),
            )
            if not await self._journal.record(
                work.row.id, "approval_requested", step="escalate", detail=detail
            ):
                raise Conflict("the workflow is no longer running")
            raise WaitingForApproval
        return Escalation(
            tier=decision.tier,
            deployments=tuple(candidate.deployment for candidate in decision.candidates),
            worst_case_usd=f"{usd(worst):f}",
            approved_by=work.progress.approved_by,
        )

    async def execute(self, work: Work) -> Execution:
        """Return what the paid call came to; an answer that was paid for before is never bought again."""
        workflow_id = work.row.id
        bought = self._bought.get(workflow_id)
        if bought is None:
            if await self._store.answer(workflow_id) is not None or await self._left_behind(work):
                return Execution(request_id=work.progress.request_ids[-1], recovered=True)
            await self._resolve(work)
            bought = self._bought[workflow_id] = await self._buy(work)
        await self._books.flush()  # raises while SQL is away; the answer is safe in the spool until then
        del self._bought[workflow_id]
        return bought

    async def validate(self, work: Work) -> Validation:
        """Return which checks the answer passes: all there are, whatever the pack enables on the way."""
        answer = await self._store.answer(work.row.id)
        views = view_answer(work.exchange.request, answer or b"")
        lines = tuple(
            CheckLine(check=result.check, passed=result.passed, reason=result.reason)
            for view in views
            for result in check_answer(view, CHECK_NAMES)
        )
        return Validation(valid=all(line.passed is not False for line in lines), checks=lines)

    async def _left_behind(self, work: Work) -> bool:
        """Tell whether the answer of a call another worker opened came after all.

        The lease of that worker has run out, but it may only have been slow: it is given another one, and as
        long as it shows itself again it is waited for, rather than paying a second time for what it will get.
        """
        opened = work.progress.open_call.detail if work.progress.open_call else Detail()
        worker, waited_s = opened.actor, 0.0
        lease_ms, pause_s = int(self._home.lease_s * 1000), self._home.lease_s / 8
        while worker not in {"", self._home.worker}:
            if await self._store.answer(work.row.id) is not None:
                return True
            if await self._store.calls([opened.request_id]):
                break  # the books know how it ended
            if worker in await self._store.workers(self._journal.now_ms - lease_ms):
                waited_s = 0.0
            elif waited_s >= self._home.lease_s:
                break
            await asyncio.sleep(pause_s)
            waited_s += pause_s
        return False

    async def _resolve(self, work: Work) -> None:
        """Settle a call of which only the beginning is known; raise Interrupted if it may not be repeated.

        Where the journal that would know of it has been read, no row in the ledger means nothing was sent. A
        row that says `failed` is an attempt like any other. One that was in flight, or may have been, is made
        again as often as the settings allow, and no more.
        """
        opened = work.progress.open_call
        if opened is None:
            return
        request_id = opened.detail.request_id
        calls = await self._store.calls([request_id])
        is_known = opened.detail.home == self._home.name and opened.at_ms < self._home.since_ms
        status = calls[0].status if calls else "" if is_known else "interrupted"
        if status not in _IN_FLIGHT:
            await self._journal.record(
                work.row.id, "call_failed", step="execute", detail=Detail(request_id=request_id)
            )
            return
        detail = Detail(request_id=request_id, reason=f"{status} while the answer was under way")
        await self._journal.record(work.row.id, "call_interrupted", step="execute", detail=detail)
        if len(work.progress.interrupted) >= self._home.reruns:
            raise Interrupted(
                "the paid call was interrupted and may not be made again; it is booked at its worst case"
            )

    async def _buy(self, work: Work) -> Execution:
        exchange = work.settled()
        if exchange.decision.denial is not None:
            raise denial_error(exchange.decision.denial)
        workflow_id, request_id = work.row.id, exchange.id
        opened = Detail(request_id=request_id, home=self._home.name, actor=self._home.worker)
        if not await self._journal.record(workflow_id, "call_opened", step="execute", detail=opened):
            raise Conflict("the workflow is no longer running")

        def keep(body: bytes) -> AnswerRow:
            at_ms = self._journal.now_ms
            text = body.decode("utf-8", "replace")
            return AnswerRow(workflow_id=workflow_id, request_id=request_id, at_ms=at_ms, body=text)

        try:
            done = await self._pipeline.fulfil(exchange, work.caller, keep)
        except GatewayError as error:
            failed = Detail(request_id=request_id, problem=problem_of(error))
            await self._journal.record(workflow_id, "call_failed", step="execute", detail=failed)
            raise
        cost = None if done.receipt is None else f"{usd(done.receipt.cost_nano):f}"
        return Execution(
            request_id=request_id,
            tier=done.tier,
            model=done.model,
            cost_usd=cost,
            failed_check=done.failed_check,
        )
