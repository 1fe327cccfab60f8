"""Webhooks: signed as Standard Webhooks are, sent to vetted addresses only, never following a redirect.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import socket
from collections.abc import Awaitable, Callable, Sequence

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.clock import Clock
from gateway.errors import GatewayError, InvalidRequest
from gateway.stores.workflows_base import Detail, EventKind, State, WorkflowRow, WorkflowStore
from gateway.upstreams.authorities import system_tls
from gateway.workflows.journal import Journal
from gateway.workflows.runner import TryAgainError
from gateway.workflows.states import fold
from gateway.workflows.targets import Target, Targets
from gateway.workflows.work import Decided

_TIMEOUT_S = 10.0
_OK, _REDIRECT, _GONE = 200, 300, 410
_SECRET_PREFIX = "whsec_"  # noqa: S105 - how such secrets are marked, not one of them


class Notice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a webhook says: enough to act on, nothing of the task or its answer."""

    type: str
    workflow_id: str
    state: State
    at_ms: int
    reason: str = ""
    worst_case_nano: int | None = None
    expires_ms: int | None = None


class Bells:
    """Tells the world of workflows."""

    def __init__(
        self,
        *,
        store: WorkflowStore,
        journal: Journal,
        targets: Targets,
        secret: str | None,
        clock: Clock,
    ) -> None:
        self._store = store
        self._journal = journal
        self._targets = targets
        self._secret = None if secret is None else signing_key(secret)
        self._clock = clock
        self.queue: Callable[[str, int], Awaitable[None]] | None = None

    async def vet(self, url: str) -> Target:
        """Return the target of a URL; raise InvalidRequest when nothing may be sent there."""
        if self._secret is None:
            message = "webhooks need a secret to sign them; ask the operator to set workflows.webhook_secret"
            raise InvalidRequest(message, param="webhook")
        return await self._targets.vet(url)

    async def announce(self, workflow_id: str, seq: int) -> None:
        """Queue the webhook of an event, if its workflow has one."""
        if self.queue is not None and await self._url(workflow_id):
            await self.queue(workflow_id, seq)

    async def ring(self, workflow_id: str, seq: int) -> str:
        """Deliver the webhook of an event; raise TryAgainError for what may pass."""
        url = await self._url(workflow_id)
        notice = await self._notice(workflow_id, seq)
        if not url or notice is None:
            return "stop"
        try:
            target = await self.vet(url)
            status = await self._send(target, f"{workflow_id}.{seq}", msgspec.json.encode(notice))
        except GatewayError as error:
            await self._missed(workflow_id, error.message)
            return "stop"
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise TryAgainError(type(error).__name__) from None
        if _OK <= status < _REDIRECT:
            detail = Detail(target=target.host, reason=notice.type)
            await self._journal.record(workflow_id, "webhook_delivered", detail=detail)
            return "next"
        if status < 400 or status == _GONE:  # noqa: PLR2004
            await self._missed(workflow_id, f"{notice.type}: the target answered {status}")
            return "stop"
        raise TryAgainError(f"status {status}")

    async def silence(self, workflow_id: str, seq: int) -> str:
        """Write down that the webhook of an event was given up."""
        notice = await self._notice(workflow_id, seq)
        await self._missed(workflow_id, f"{notice.type if notice else seq}: the target did not accept it")
        return "stop"

    async def _missed(self, workflow_id: str, reason: str) -> None:
        await self._journal.record(workflow_id, "webhook_failed", detail=Detail(reason=reason))

    async def _url(self, workflow_id: str) -> str:
        row: WorkflowRow | None = await self._store.find(workflow_id)
        if row is None or row.webhook:
            return row.webhook if row else ""
        decided = fold(await self._store.events(workflow_id)).step("decide")
        if decided.state != "completed":
            return ""
        need = msgspec.json.decode(decided.result, type=Decided).decision.approval
        return need.webhook if need else ""

    async def _notice(self, workflow_id: str, seq: int) -> Notice | None:
        events = await self._store.events(workflow_id, seq - 1)
        row = await self._store.find(workflow_id)
        if row is None or not events or events[0].seq != seq:
            return None
        event, detail = events[0], events[0].detail
        return Notice(
            type=f"workflow.{event.kind}",
            workflow_id=workflow_id,
            state=_STATES.get(event.kind, row.state),
            at_ms=event.at_ms,
            reason=detail.reason,
            worst_case_nano=detail.worst_case_nano,
            expires_ms=detail.expires_ms,
        )

    async def _send(self, target: Target, message_id: str, body: bytes) -> int:
        stamp = str(int(self._clock.now()))
        headers = {
            "content-type": "application/json",
            "user-agent": "gateway-webhook/1",
            "webhook-id": message_id,
            "webhook-timestamp": stamp,
            "webhook-signature": sign(self._secret or b"", message_id, stamp, body),
        }
        connector = aiohttp.TCPConnector(
            resolver=_Pinned(target), use_dns_cache=False, force_close=True, ssl=system_tls()
        )
        async with (
            asyncio.timeout(_TIMEOUT_S),
            aiohttp.ClientSession(connector=connector, trust_env=False) as session,
            session.post(target.url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            return response.status


_STATES: dict[EventKind, State] = {
    "approval_requested": "waiting_approval",
    "approved": "pending",
    "denied": "failed",
    "expired": "failed",
    "cancelled": "cancelled",
    "completed": "completed",
    "failed": "failed",
}
"""The state at the event, which may have changed since."""


class _Pinned(AbstractResolver):
    """Answers every question with the addresses that were vetted."""

    def __init__(self, target: Target) -> None:
        self._target = target

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 - the library's own signature
    ) -> list[ResolveResult]:
        """Return the vetted addresses."""
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._target.addresses
        ]

    async def close(self) -> None:
        """Have nothing to let go of."""


def signing_key(secret: str) -> bytes:
    """Return the key a secret stands for: base64 behind `whsec_`, otherwise its own bytes."""
    if secret.startswith(_SECRET_PREFIX):
        return base64.b64decode(secret.removeprefix(_SECRET_PREFIX))
    return secret.encode()


def sign(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a message: `v1,` and the base64 of an HMAC-SHA256."""
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def verify(secrets: Sequence[str], message_id: str, timestamp: str, body: bytes, signature: str) -> bool:
    """Tell whether a message was signed with one of the secrets; for receivers and tests."""
    expected = (sign(signing_key(secret), message_id, timestamp, body) for secret in secrets)
    return any(hmac.compare_digest(one, signature) for one in expected)
