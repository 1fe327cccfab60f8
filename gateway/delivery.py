"""Hands a delivery to the client, whole or as a stream; the books close before the client sees the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
import structlog
from aiohttp import web

from gateway.client_answer import send_whole
from gateway.client_stream import ClientStream
from gateway.clock import Clock
from gateway.dispatcher import Delivery
from gateway.errors import GatewayError, Internal
from gateway.exchange import Exchange, Fault, TransportFailure
from gateway.failures import failed_clause, fault_error
from gateway.headers import Served, decision_headers, receipt_headers, vendor_headers
from gateway.ledger import Account, Attempted
from gateway.pace import limit_headers
from gateway.stores.base import RequestStatus
from gateway.taking_turns import OTHERS
from gateway.wire.base import Codec, Relay
from policies.verdicts import OutcomeKind

_OK = 200
Close = Callable[[Account, RequestStatus, int], Awaitable[None]]


class Delivering(msgspec.Struct, frozen=True, kw_only=True):
    """One answer on its way to the client."""

    http: web.Request
    account: Account
    delivery: Delivery
    codec: Codec
    close: Close

    @property
    def exchange(self) -> Exchange:
        """Return whose answer it is."""
        return self.account.exchange

    def headers(self) -> dict[str, str]:
        """Return what is known before the first byte, and before this attempt is booked."""
        delivery = self.delivery
        name = delivery.deployment.id
        booked = tuple([attempt.deployment for attempt in self.account.attempts])
        served = Served(
            model=delivery.deployment.model_name,
            deployment=name,
            tier=delivery.candidate.tier,
            tried=booked if delivery.failed_check else (*booked, name),
            failed=self._failed(name) if delivery.outcomes else "",
            failed_check=delivery.failed_check,
            output_limit=delivery.output_limit,
        )
        headers = decision_headers(self.exchange, served)
        headers |= vendor_headers(delivery.reply.headers)
        rooms = self.account.admission.rooms
        if rooms:
            anthropic, now = self.exchange.request.dialect == "messages", self.account.clock.now()
            headers |= limit_headers(rooms, anthropic=anthropic, now=now)
        return headers

    def _failed(self, name: str) -> str:
        """Return in words how others than this deployment failed before."""
        return failed_clause((o.deployment, o.kind) for o in self.delivery.outcomes if o.deployment != name)

    def book(self, outcome: OutcomeKind, *, delivered: bool = True) -> None:
        """Book the attempt that reached the client, or would have."""
        book_delivered(self.account, self.delivery, outcome, delivered=delivered)


def book_delivered(
    account: Account, delivery: Delivery, outcome: OutcomeKind, *, delivered: bool = True
) -> None:
    """Book the attempt whose answer is used, or would have been had its client stayed."""
    relay, answer = delivery.relay, delivery.answer
    if delivery.failed_check:
        if delivered:
            account.deliver_withheld()
        return
    account.book(
        Attempted(
            candidate=delivery.candidate,
            outcome=outcome,
            started_s=delivery.started_s,
            usage=relay.usage if relay else answer.usage if answer else None,
            status=_OK,
            delivered=delivered,
            delivered_tokens=relay.delivered_tokens if relay else 0,
        )
    )


async def send_answer(delivering: Delivering) -> web.StreamResponse:
    """Send the complete answer with its cost in the headers."""
    answer = delivering.delivery.answer
    if answer is None:
        raise Internal("an answer was expected; see the log by the request id")
    headers = delivering.headers()
    delivering.book("ok")
    await delivering.close(delivering.account, "ok", _OK)
    await OTHERS
    if delivering.account.receipt is not None:
        headers |= receipt_headers(delivering.account.receipt)
    return await send_whole(delivering.http, headers, answer.body, delivering.account.clock.now())


async def send_stream(delivering: Delivering, stream: ClientStream, clock: Clock) -> web.StreamResponse:
    """Relay the stream; a failure after the first byte is one error event, then the end."""
    delivery, relay = delivering.delivery, delivering.delivery.relay
    if relay is None:
        raise Internal("a stream was expected; see the log by the request id")
    sent = booked = False
    try:
        await OTHERS
        await stream.open(delivering.headers)
        await OTHERS
        delivering.account.first_byte_s = clock.monotonic() - delivering.exchange.started_monotonic_s
        sent = delivery.stream is not None and not delivery.reply.whole
        kept, fault = await _relay(stream, delivering, relay)
        if fault is None:
            await OTHERS.meet()
        delivering.book("ok" if fault is None else fault.kind)
        booked = True
        return await stream.end(kept, await _close_books(delivering, relay, fault))
    finally:
        if not booked:
            relay.close()  # lets it estimate from what the vendor had counted so far
            delivering.book("cancelled", delivered=sent)
        await delivery.reply.close()


async def _relay(client: ClientStream, delivering: Delivering, relay: Relay) -> tuple[bytes, Fault | None]:
    """Carry the stream over; return what went wrong with it, None when it is complete.

    Where all of it has arrived, its last bytes are returned, to go out in one write with its end.
    """
    delivery = delivering.delivery
    reply, stream, kept = delivery.reply, delivery.stream, delivery.head
    try:
        if stream is None:
            return kept, relay.fault
        if not reply.whole:
            kept = await _write(client, kept)
        async for chunk in stream:
            kept += relay.feed(chunk)
            if not reply.whole:
                kept = await _write(client, kept)
            if relay.fault is not None:
                return kept, relay.fault
        relay.close()
    except TransportFailure as failure:
        relay.close()
        return kept, Fault(kind=failure.kind, message=str(failure))
    except ConnectionError:
        raise  # the client has left
    except Exception as error:  # noqa: BLE001 - a defect of ours must not end a stream silently
        structlog.get_logger("gateway").exception("relay_failed", request_id=delivering.exchange.id)
        return kept, Fault(kind="garbled", message=f"the relay failed: {type(error).__name__}")
    return kept, relay.fault


async def _write(client: ClientStream, out: bytes) -> bytes:
    """Send what there is to send; return that nothing is left."""
    if out:
        await client.write(out)
    return b""


async def _close_books(delivering: Delivering, relay: Relay, fault: Fault | None) -> bytes:
    """Write the books, then return the ending the client may see; without books there is no clean end."""
    exchange, codec = delivering.exchange, delivering.codec
    try:
        await delivering.close(delivering.account, "ok" if fault is None else "failed", _OK)
    except GatewayError as error:
        return codec.error_event(error, exchange.id)
    if fault is not None:
        broken = fault_error(fault, delivering.delivery.deployment.model_name)
        return codec.error_event(broken, exchange.id)
    receipt = delivering.account.receipt
    return relay.finish(None if receipt is None else receipt.members())
