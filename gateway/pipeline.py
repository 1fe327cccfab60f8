"""The request's path, top to bottom: facts, state, decision, hold, forward, books."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import chain

import msgspec
import structlog
from aiohttp import web
from msgspec.structs import replace

from gateway import decision_log, features
from gateway.admission import budgets_of
from gateway.client_stream import ClientStream
from gateway.clock import Clock, random_seed
from gateway.delivery import Delivering, book_delivered, send_answer, send_stream
from gateway.dispatcher import Delivery, Dispatcher
from gateway.errors import ApprovalRequired, GatewayError, Internal, ModelNotFound, Overloaded, RateLimited
from gateway.exchange import ChatRequest, Exchange, Principal
from gateway.failures import denial_error
from gateway.headers import early_headers, failure_headers
from gateway.inspection import Inspector, asks_for
from gateway.intake import read_body
from gateway.keyring import Caller
from gateway.ledger import Account, Ledger, Receipt
from gateway.outcomes import OutcomeWatch
from gateway.pace import RETRY_BUSY_S, limit_headers
from gateway.policy_source import PolicySource
from gateway.scope import DECIDED, SCOPE, RequestScope
from gateway.stores.base import AnyRow, AttemptRow, RequestStatus, StateStore
from gateway.stores.economy import EconomyMemory
from gateway.stores.health import HealthMemory
from gateway.stores.refused import RefusedDecisions
from gateway.stores.sessions import SessionMemory
from gateway.taking_turns import OTHERS
from gateway.telemetry import Telemetry
from gateway.wire.base import Codec
from policies import decide
from policies.approval import base_meanwhile
from policies.facts import BudgetView, Features, Rights, Snapshot, Tier
from policies.policy import Policy
from policies.verdicts import Outcome

CLIENT_CLOSED = 499
"""What is booked as HTTP status when the client left before the end."""


_OK = 200
Keep = Callable[[bytes], AnyRow]
"""Makes the row that keeps an answer."""
AskApproval = Callable[[Exchange, Mapping[str, str], Caller], Awaitable[str | None]]
"""Keeps a request until a person has agreed to it; returns its workflow's id, None where there are none."""


class Fulfilled(msgspec.Struct, frozen=True, kw_only=True):
    """A request carried out without a client: the complete answer, who gave it, what it cost."""

    body: bytes
    tier: Tier
    model: str
    failed_check: str
    receipt: Receipt | None


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What the pipeline is assembled from."""

    policies: PolicySource
    aliases: Mapping[str, str]
    ledger: Ledger
    state: StateStore
    sessions: SessionMemory
    health: HealthMemory
    economy: EconomyMemory
    dispatcher: Dispatcher
    inspector: Inspector
    outcomes: OutcomeWatch
    refused: RefusedDecisions
    telemetry: Telemetry
    clock: Clock
    store_prompts: bool
    max_concurrency: int
    keepalive_s: float


class Pipeline:
    """Serves inference requests of every client dialect."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.approvals: AskApproval | None = None
        self._in_flight = 0
        self.refused = parts.refused

    async def serve(self, http: web.Request, caller: Caller, codec: Codec) -> web.StreamResponse:
        """Decide, forward and book one request; raise GatewayError for what cannot be served."""
        if self._in_flight >= self._parts.max_concurrency:
            raise Overloaded(
                "the gateway is serving as many requests as it may, try again in a moment",
                retry_after_s=RETRY_BUSY_S,
            )
        self._in_flight += 1
        try:
            return await self._serve(http, caller, codec)
        finally:
            self._in_flight -= 1

    async def _serve(self, http: web.Request, caller: Caller, codec: Codec) -> web.StreamResponse:
        parts = self._parts
        await OTHERS
        request = codec.parse_request(await read_body(http))
        await OTHERS
        exchange = await self.decide(request, http.headers, caller, codec, http[SCOPE])
        if exchange.decision.denial is not None:
            parts.refused.keep(decision_log.record(exchange, store_prompts=parts.store_prompts))
            http[DECIDED] = early_headers(exchange)
            raise denial_error(exchange.decision.denial)
        if exchange.decision.approval is not None:
            exchange = await self._unapproved(http, exchange, caller)
        await OTHERS
        row = decision_log.record(exchange, store_prompts=parts.store_prompts)
        account = parts.ledger.account(exchange, caller.budgets, row, caller.limits)
        await OTHERS
        try:
            return await self._forward(http, exchange, account, codec)
        except (asyncio.CancelledError, ConnectionError):
            await asyncio.shield(self._close(account, "cancelled", CLIENT_CLOSED))
            raise
        except GatewayError as error:
            await self._close(account, "failed", error.http_status)
            http[DECIDED] = self._told(account, error)
            raise
        except Exception:
            await self._close(account, "failed", Internal.status)
            raise

    async def _unapproved(self, http: web.Request, exchange: Exchange, caller: Caller) -> Exchange:
        """Return what the policy gives a client that waits before a person has agreed."""
        need = exchange.decision.approval
        if need is not None and need.meanwhile == "deny":
            reasons, where = "; ".join(need.reasons), ""
            ask = self.approvals
            workflow_id = None if ask is None else await ask(exchange, http.headers, caller)
            if workflow_id is not None:
                http[DECIDED] = {"x-gateway-workflow-id": workflow_id}
                where = f"; its answer will be at /v1/escalation/status/{workflow_id}"
            raise ApprovalRequired(f"this needs a person's approval: {reasons}{where}")
        decision = base_meanwhile(exchange.decision, exchange.features, exchange.snapshot, exchange.policy)
        if decision.denial is not None:
            raise denial_error(decision.denial)
        target = exchange.policy.economy.target_share
        self._parts.economy.note_served(caller.principal.team_id, target, exchange.decision, decision.tier)
        return replace(exchange, decision=decision)

    async def fulfil(self, exchange: Exchange, caller: Caller, keep: Keep) -> Fulfilled:
        """Forward and book a decided request for which no client waits; raise GatewayError.

        The same path as `serve`: the budget is reserved first, every attempt is booked. The row `keep` makes
        of the answer is written in one line with the rows that book it, so that none is without the other.
        """
        row = decision_log.record(exchange, store_prompts=self._parts.store_prompts)
        account = self._parts.ledger.account(exchange, caller.budgets, row, caller.limits)
        try:
            return await self._fulfil(exchange, account, keep)
        except asyncio.CancelledError:
            await asyncio.shield(self._close(account, "cancelled", CLIENT_CLOSED))
            raise
        except GatewayError as error:
            await self._close(account, "failed", error.http_status)
            raise
        except Exception:
            await self._close(account, "failed", Internal.status)
            raise

    async def _fulfil(self, exchange: Exchange, account: Account, keep: Keep) -> Fulfilled:
        delivery = await self._parts.dispatcher.run(exchange, account)
        if delivery.answer is None:
            raise Internal("an answer was expected; see the log by the request id")
        self._note_constraints(account, delivery)
        book_delivered(account, delivery, "ok")
        account.also = (keep(delivery.answer.body),)
        await asyncio.shield(self._close(account, "ok", _OK))
        return Fulfilled(
            body=delivery.answer.body,
            tier=delivery.candidate.tier,
            model=delivery.deployment.model_name,
            failed_check=delivery.failed_check,
            receipt=account.receipt,
        )

    async def decide(
        self,
        request: ChatRequest,
        headers: Mapping[str, str],
        caller: Caller,
        codec: Codec,
        scope: RequestScope,
    ) -> Exchange:
        """Return the exchange with its decision made; nothing outside the process has been touched yet."""
        exchange = await self.weigh(request, headers, caller, codec, scope)
        parts, team_id, decision = self._parts, caller.principal.team_id, exchange.decision
        if exchange.features.dialect != "embeddings":  # no turn of a conversation, nothing to be moved
            parts.sessions.remember(team_id, exchange.features.session, decision)
            parts.economy.note(team_id, exchange.policy.economy.target_share, decision)
        return exchange

    async def weigh(
        self,
        request: ChatRequest,
        headers: Mapping[str, str],
        caller: Caller,
        codec: Codec,
        scope: RequestScope,
    ) -> Exchange:
        """Return the exchange with the decision it would meet; nothing is remembered of it."""
        parts, principal = self._parts, caller.principal
        policy = await parts.policies.ruling(principal)
        reader = features.Reader(fleet=policy.fleet, envelopes=policy.envelopes, aliases=parts.aliases)
        facts = features.extract(request, headers, principal, codec, reader)
        await OTHERS
        _check_allowed(principal, policy, facts.pinned_deployments, request.model)
        if asks_for(policy, facts):
            facts = await parts.inspector.inspect(facts, request.raw, policy)
        snapshot = Snapshot(
            now=scope.started_s,
            seed=random_seed(),
            rights=Rights(
                team=principal.team_name,
                rewrite=principal.rewrite,
                packs=principal.packs,
                allowed_models=principal.allowed_models,
            ),
            budgets=_budget_views(caller, facts, parts.state, scope.started_s),
            health=parts.health.view(scope.started_monotonic_s),
            rests_s=parts.health.rests(scope.started_monotonic_s),
            session=parts.sessions.recall(principal.team_id, facts.session),
            economy_threshold=parts.economy.threshold(principal.team_id, policy.economy.target_share),
        )
        decision = decide(facts, snapshot, policy)
        return Exchange(
            id=scope.request_id,
            principal=principal,
            request=request,
            features=facts,
            snapshot=snapshot,
            policy=policy,
            decision=decision,
            started_s=scope.started_s,
            started_monotonic_s=scope.started_monotonic_s,
        )

    async def _forward(
        self, http: web.Request, exchange: Exchange, account: Account, codec: Codec
    ) -> web.StreamResponse:
        if not exchange.request.stream:
            delivery = await self._parts.dispatcher.run(exchange, account)
            return await send_answer(self._delivering(http, account, delivery, codec))
        stream = ClientStream(
            http,
            ping=codec.ping,
            every_s=self._parts.keepalive_s,
            early=lambda: early_headers(exchange),
            now=self._parts.clock.now,
        )
        try:
            delivery = await self._parts.dispatcher.run(exchange, account)
            delivering = self._delivering(http, account, delivery, codec)
            return await send_stream(delivering, stream, self._parts.clock)
        except Exception as error:
            if account.receipt is not None or not await stream.opened_early():
                raise
            return await self._break_off(stream, account, codec, error)
        finally:
            stream.stop()

    async def _break_off(
        self, stream: ClientStream, account: Account, codec: Codec, error: Exception
    ) -> web.StreamResponse:
        """Tell a client whose stream is open already that nothing will come of it."""
        request_id = account.exchange.id
        known = error if isinstance(error, GatewayError) else Internal("internal error; see the log")
        if known is not error:
            structlog.get_logger("gateway").exception("internal_error", request_id=request_id)
        self._parts.telemetry.refused(request_id, known)
        try:
            await self._close(account, "failed", _OK)
        except GatewayError as unbooked:
            known = unbooked
        return await stream.end(codec.error_event(known, request_id))

    def _delivering(
        self, http: web.Request, account: Account, delivery: Delivery, codec: Codec
    ) -> Delivering:
        self._note_constraints(account, delivery)
        return Delivering(
            http=http,
            account=account,
            delivery=delivery,
            codec=codec,
            close=self._close,
        )

    def _note_constraints(self, account: Account, delivery: Delivery) -> None:
        """Write into the decision's record what the answer's way did to it: floor, length, failed check."""
        decision, limit = account.exchange.decision, delivery.output_limit
        fell = not decision.below_floor and decision.is_above(delivery.candidate.tier)
        failed_check = next((outcome.check for outcome in delivery.outcomes if outcome.check), "")
        if fell or failed_check or limit is not None:
            account.decision = decision_log.record(
                account.exchange,
                store_prompts=self._parts.store_prompts,
                fell_below_floor=fell,
                output_limit=limit,
                failed_check=failed_check,
            )

    def _told(self, account: Account, error: GatewayError) -> dict[str, str]:
        """Return the headers of an error that came after the decision."""
        refused = isinstance(error, RateLimited)
        rooms = error.rooms if isinstance(error, RateLimited) else account.admission.rooms
        anthropic = account.exchange.request.dialect == "messages"
        paced = limit_headers(rooms, anthropic=anthropic, now=self._parts.clock.now(), refused=refused)
        if account.receipt is None:
            self._parts.refused.keep(account.decision)
            return paced | early_headers(account.exchange)
        return paced | failure_headers(account, account.receipt)

    async def _close(self, account: Account, status: RequestStatus, http_status: int) -> None:
        """Close the account once and tell of it; a request that promised nothing leaves no row."""
        if account.receipt is not None or not account.opened:
            return
        receipt = await account.close(status, http_status)
        self._parts.outcomes.closed(account, status)
        for attempt in account.attempts:
            if attempt.delivered:  # how a stream ended is known here and nowhere before
                self._parts.health.note(delivered_outcome(attempt), self._parts.clock.monotonic())
                self._note_served(account.exchange, attempt)
        seconds = self._parts.clock.monotonic() - account.exchange.started_monotonic_s
        self._parts.telemetry.served(account, receipt, status=status, seconds=seconds)

    def _note_served(self, exchange: Exchange, served: AttemptRow) -> None:
        """Remember who answered and what that vendor holds of the prompt; a side call's is another one."""
        decision, session = exchange.decision, exchange.features.session
        if decision.ground != "housekeeping" and exchange.features.dialect != "embeddings":
            team_id, target = exchange.principal.team_id, exchange.policy.economy.target_share
            self._parts.sessions.note_cache(team_id, session, served, decision.tier)
            self._parts.economy.note_served(team_id, target, decision, served.tier)


def _budget_views(caller: Caller, facts: Features, state: StateStore, now: float) -> tuple[BudgetView, ...]:
    if not caller.budgets:
        return ()
    whole, by_model = budgets_of(caller.budgets, caller.principal, facts, now)
    return state.views((*whole, *chain.from_iterable(by_model.values())))


def delivered_outcome(attempt: AttemptRow) -> Outcome:
    """Return what a delivered attempt says of its deployment's health."""
    return Outcome(deployment=attempt.deployment, kind=attempt.outcome)


def _check_allowed(principal: Principal, policy: Policy, pinned: tuple[str, ...], asked: str) -> None:
    """Refuse a pin the key may not use, in the words of a model that does not exist."""
    allowed = principal.allowed_models
    if allowed is None or not pinned:
        return
    if not any(policy.fleet.deployments[d].model_name in allowed for d in pinned):
        message = f"the model `{asked[:200]}` does not exist or you do not have access to it; see /v1/models"
        raise ModelNotFound(message, param="model")
