"""Runs a plan: start an attempt, peek at what comes back, and turn every failure into an outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

import msgspec
from msgspec.structs import replace

from gateway.clock import Clock
from gateway.errors import BudgetExceeded, DeploymentLimited, GatewayError, Unsupported
from gateway.exchange import Call, ChatRequest, Exchange, Fault, Reply, TransportFailure
from gateway.failures import explained_budget, give_up_error
from gateway.lanes import Lane, Lanes, Routes
from gateway.ledger import Account, Attempted
from gateway.taking_turns import OTHERS
from gateway.wire.answer_events import replay
from gateway.wire.base import Answer, Relay
from gateway.wire.output_limit import with_output_limit
from gateway.wire.vendor_errors import read_fault
from gateway.withholding import MAX_WITHHELD_BYTES, find_fault, find_stream_fault, holds_back, is_checked
from policies.facts import Dialect
from policies.plan import advance
from policies.policy import Deployment
from policies.verdicts import Candidate, Outcome, OutcomeKind, Plan, Start

MAX_ERROR_BYTES = 256 * 1024
"""How much of a vendor's error body is read."""
_OK = 200
_KEY_HEADERS = ("authorization", "x-api-key")


class Delivery(msgspec.Struct, kw_only=True):
    """An attempt good enough to show the client."""

    candidate: Candidate
    deployment: Deployment
    reply: Reply
    started_s: float
    """Seconds since the request began."""
    answer: Answer | None = None
    """A complete answer, when not streaming."""
    relay: Relay | None = None
    stream: AsyncIterator[bytes] | None = None
    """What is still to come of a stream; None once all of it is in `head`."""
    head: bytes = b""
    """What the relay returned while peeking, or holding the stream back."""
    received: list[bytes] = msgspec.field(default_factory=list)
    """What the vendor had sent for `head`."""
    output_limit: int | None = None
    """Tokens an answer could have at most because the budget had no room for more."""
    outcomes: tuple[Outcome, ...] = ()
    """How the attempts ended that failed, this one's included if it did."""
    failed_check: str = ""
    """The answer check it failed; such an answer is booked already, and shown only if premium fails too."""


class _Sent(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt, translated and addressed."""

    lane: Lane
    request: ChatRequest
    """The client's, with the output limit its budget set."""
    call: Call


class Observer(Protocol):
    """Is told of every attempt that failed."""

    def __call__(self, exchange: Exchange, outcome: Outcome) -> None:
        """Take note; must neither raise nor block."""
        ...


class _Run(msgspec.Struct):
    """The state of one request's routing."""

    exchange: Exchange
    account: Account
    plan: Plan
    outcomes: list[Outcome]
    """How attempts failed; a good answer ends the plan, as `plan.ACTIONS` says."""
    withheld: Delivery | None = None
    """The base answer that failed its checks."""
    error: GatewayError | None = None
    """The first refusal of our own (budget, unsupported), reported if nothing else works."""


class Dispatcher:
    """Carries plans out over the configured upstreams."""

    def __init__(
        self,
        *,
        routes: Routes,
        clock: Clock,
        max_answer_bytes: int,
        observe: Observer,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._lanes = Lanes(routes)
        self._clock = clock
        self._max_answer_bytes = max_answer_bytes
        self._observe = observe
        self._sleep = sleep

    async def run(self, exchange: Exchange, account: Account) -> Delivery:
        """Return the first good answer the plan leads to; raise what the caller should be told otherwise."""
        fleet = exchange.policy.fleet
        plan = Plan(candidates=exchange.decision.candidates, retry=fleet.retry, seed=exchange.snapshot.seed)
        run = _Run(exchange, account, plan, [])
        delivery: Delivery | None = None
        while delivery is None:
            step = advance(plan, run.outcomes)
            if isinstance(step, Start):
                if step.delay_s > 0:
                    await self._sleep(step.delay_s)
                delivery = await self._attempt(run, step.candidate)
            elif run.withheld is not None:
                delivery = run.withheld
            else:
                raise run.error or give_up_error(run.outcomes, fleet)
        delivery.outcomes = tuple(run.outcomes)
        return delivery

    async def _attempt(self, run: _Run, candidate: Candidate) -> Delivery | None:
        """Make one attempt and return it if it can be delivered; append its outcome if it cannot."""
        started_s = self._elapsed(run.exchange)
        try:
            sent = self._prepare(run.exchange, candidate, started_s)
            await OTHERS
            limit = await run.account.cover(candidate)
            await OTHERS
            if limit is not None:
                sent = self._prepare(run.exchange, candidate, self._elapsed(run.exchange), limit)
        except (BudgetExceeded, DeploymentLimited, Unsupported) as error:
            if isinstance(error, BudgetExceeded):
                deployment = run.exchange.policy.fleet.deployments[candidate.deployment]
                error = explained_budget(error, run.exchange, deployment)
            run.error = run.error or error  # the first candidate is the one the caller would have got
            self._note(run, candidate, _refusal(error))
            return None
        delivery: Delivery | None = None
        try:
            reply = await sent.lane.upstream.send(sent.call)
            delivery = Delivery(
                candidate=candidate,
                deployment=sent.lane.deployment,
                reply=reply,
                started_s=started_s,
                output_limit=limit,
            )
            fault = await self._receive(run, delivery, sent)
            fault = _check(run, delivery, sent) if fault is None else _cross(run, candidate, fault)
        except TransportFailure as failure:
            fault = Fault(kind=failure.kind, message=str(failure))
        except BaseException as error:
            # a vendor that was called may charge for it, whatever became of the answer here
            left = isinstance(error, asyncio.CancelledError)
            run.account.book(_attempted(candidate, started_s, "cancelled" if left else "garbled", delivery))
            raise
        if fault is None:
            return delivery
        run.account.book(_attempted(candidate, started_s, fault.kind, delivery, fault.status))
        outcome = self._note(run, candidate, replace(fault, message=_masked(fault.message, sent.call)))
        self._observe(run.exchange, outcome)
        return None

    def _prepare(
        self, exchange: Exchange, candidate: Candidate, now_s: float, limit: int | None = None
    ) -> _Sent:
        fleet, request = exchange.policy.fleet, exchange.request
        lane = self._lanes.between(request.dialect, fleet.deployments[candidate.deployment])
        if limit is not None:
            request = with_output_limit(request, limit, lane.target.provider)
        return _Sent(lane=lane, request=request, call=lane.call(request, fleet.retry.deadline_s - now_s))

    async def _receive(self, run: _Run, delivery: Delivery, sent: _Sent) -> Fault | None:
        """Read as much as tells a good answer from a bad one; the reply stays open only for a good stream."""
        exchange, reply, bridge = run.exchange, delivery.reply, sent.lane.bridge
        is_streaming = False
        try:
            if reply.status != _OK:
                return await self._read_fault(delivery, sent.lane.dialect)
            if not sent.call.stream:
                body = await reply.read(self._max_answer_bytes)
                delivery.answer = bridge.answer(sent.request, body)
                if delivery.answer.fault is None:
                    await OTHERS.meet()
                return delivery.answer.fault
            allowed_s = sent.call.timeouts.first_byte_s
            left_s = allowed_s + delivery.started_s - self._elapsed(exchange)
            try:
                async with asyncio.timeout(left_s):
                    fault = await _peek(delivery, bridge.relay(sent.request))
            except TimeoutError:
                message = f"first token time-out: no content within {allowed_s:g} s"
                raise TransportFailure("timeout", message) from None
            if fault is None and delivery.stream is not None and _holds_back(run, delivery):
                fault = await self._hold_back(delivery)
            if fault is None:
                await OTHERS.meet()
                is_streaming = delivery.stream is not None
            return fault
        finally:
            if not is_streaming:
                await reply.close()

    async def _hold_back(self, delivery: Delivery) -> Fault | None:
        """Read on to the stream's end, or to where holding more of it would cost too much memory."""
        relay, stream = delivery.relay, delivery.stream
        if relay is None or stream is None:
            return None
        held, size = [delivery.head], 0
        limit = min(MAX_WITHHELD_BYTES, self._max_answer_bytes)
        async for chunk in stream:
            delivery.received.append(chunk)
            held.append(relay.feed(chunk))
            size += len(chunk)
            if relay.fault is not None or size > limit:
                break
        else:
            relay.close()
            delivery.stream = None
        delivery.head = b"".join(held)
        return relay.fault

    async def _read_fault(self, delivery: Delivery, dialect: Dialect) -> Fault:
        reply = delivery.reply
        body = await reply.read(MAX_ERROR_BYTES)
        return read_fault(
            dialect,
            delivery.deployment.provider,
            status=reply.status,
            headers=reply.headers,
            body=body,
            now=self._clock.now(),
        )

    def _note(self, run: _Run, candidate: Candidate, fault: Fault) -> Outcome:
        outcome = Outcome(
            deployment=candidate.deployment,
            kind=fault.kind,
            status=fault.status,
            retry_after_s=fault.retry_after_s,
            message=fault.message,
            check=fault.check,
            elapsed_s=self._elapsed(run.exchange),
        )
        run.outcomes.append(outcome)
        return outcome

    def _elapsed(self, exchange: Exchange) -> float:
        return self._clock.monotonic() - exchange.started_monotonic_s


def _refusal(error: BudgetExceeded | DeploymentLimited | Unsupported) -> Fault:
    """Return what a refusal of our own means for the plan: another candidate may do."""
    if isinstance(error, DeploymentLimited):
        return Fault(kind="rate_limited", message=error.message, retry_after_s=error.retry_after_s)
    return Fault(kind="budget" if isinstance(error, BudgetExceeded) else "unsupported", message=error.message)


def _holds_back(run: _Run, delivery: Delivery) -> bool:
    exchange = run.exchange
    if exchange.policy.checked_streams == "relay":
        return False
    return is_checked(exchange, run.plan, run.outcomes, delivery.candidate) and holds_back(exchange)


def _check(run: _Run, delivery: Delivery, sent: _Sent) -> Fault | None:
    """Withhold a complete base answer that fails the policy's checks while premium can redo it.

    A stream of which there is more to come is relayed as it comes; one that ended before it said anything,
    or was held back to its end, is an answer like any other.
    """
    exchange, answer, received = run.exchange, delivery.answer, delivery.received
    if answer is None and delivery.stream is not None:
        received.clear()
        return None
    if not is_checked(exchange, run.plan, run.outcomes, delivery.candidate):
        return None
    if answer is not None:
        failed = find_fault(exchange, sent.request, answer.body)
    else:
        seen = replay(sent.lane.bridge.relay(sent.request), received)
        failed = find_stream_fault(exchange, sent.request, seen)
    received.clear()
    if failed is None:
        return None
    delivery.failed_check = failed.check
    run.withheld = delivery
    return Fault(
        kind="check_failed", message=f"{failed.check}: {failed.reason}", status=_OK, check=failed.check
    )


def _cross(run: _Run, candidate: Candidate, fault: Fault) -> Fault:
    """Let premium answer what a base vendor's filter refused, where the policy checks for refusals."""
    if fault.kind != "refused" or "refusal" not in run.exchange.policy.answer_checks:
        return fault
    if not is_checked(run.exchange, run.plan, run.outcomes, candidate):
        return fault
    return replace(fault, kind="check_failed", check="refusal")


async def _peek(delivery: Delivery, relay: Relay) -> Fault | None:
    """Read until the answer's first content, so that a failure before it can still fall back."""
    delivery.relay = relay
    delivery.stream = stream = aiter(delivery.reply)
    head: list[bytes] = []
    async for chunk in stream:
        delivery.received.append(chunk)
        head.append(relay.feed(chunk))
        if relay.fault is not None or relay.has_output:
            break
    else:
        relay.close()
        delivery.stream = None
    delivery.head = b"".join(head)
    return relay.fault


def _attempted(
    candidate: Candidate,
    started_s: float,
    outcome: OutcomeKind,
    delivery: Delivery | None,
    status: int | None = None,
) -> Attempted:
    """Return what is known of an attempt that shall not be shown to the client."""
    relay = delivery.relay if delivery else None
    answer = delivery.answer if delivery else None
    if relay is not None and delivery is not None and delivery.stream is not None:
        relay.close()  # lets it estimate from what the vendor had counted so far
    return Attempted(
        candidate=candidate,
        outcome=outcome,
        started_s=started_s,
        usage=relay.usage if relay else answer.usage if answer else None,
        status=status or (delivery.reply.status if delivery else None),
        delivered_tokens=relay.delivered_tokens if relay else 0,
    )


def _masked(message: str, call: Call) -> str:
    """Return a vendor's words without our key, should it have repeated it."""
    for name in _KEY_HEADERS:
        key = call.headers.get(name, "").removeprefix("Bearer ")
        if key:
            message = message.replace(key, "[redacted]")
    return message
