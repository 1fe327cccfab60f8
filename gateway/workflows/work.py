"""One workflow as a step sees it: the task, who asked for it, and the request it is carried out by."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from gateway.clock import Clock, new_id
from gateway.errors import Forbidden, Internal
from gateway.exchange import ChatRequest, Exchange
from gateway.features import METADATA_HEADER, ROUTE_HEADER, SESSION_HEADERS
from gateway.keyring import Caller, KeyRing
from gateway.pipeline import Pipeline
from gateway.scope import RequestScope
from gateway.stores.workflows_base import Priority, WorkflowRow, WorkflowStore
from gateway.tasks import Task, task_body
from gateway.wire.base import Codec
from gateway.workflows.states import Progress, fold
from policies.candidates import refreshed
from policies.facts import Dialect
from policies.trigger_validation import Assessment
from policies.verdicts import Decision

_HEEDED = (ROUTE_HEADER, METADATA_HEADER, *SESSION_HEADERS)


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A task as it is kept until its workflow has ended."""

    task: Task
    dialect: Dialect = "chat"
    """Of the task's request; only a client that waited for its answer can have sent another than chat."""
    headers: dict[str, str] = {}
    """Those that routing heeds."""


def order_of(exchange: Exchange, headers: Mapping[str, str]) -> Order:
    """Return the order that carries out a client's request later."""
    body = msgspec.json.decode(exchange.request.raw, type=dict[str, msgspec.Raw])
    kept = {name: headers[name] for name in _HEEDED if name in headers}
    return Order(task=Task(request=body), dialect=exchange.request.dialect, headers=kept)


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """What the step `decide` leaves behind."""

    sentence: str
    decision: Decision
    assessments: tuple[Assessment, ...] = ()
    """The findings validated; a rejected one is told, and lowers no floor by itself."""


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a step starts from."""

    row: WorkflowRow
    order: Order
    progress: Progress
    caller: Caller
    exchange: Exchange
    """The request under today's policy and state; its decision is what would be decided now."""

    def decided(self) -> Decision:
        """Return the decision this workflow was given, over the deployments that may serve it now."""
        made = msgspec.json.decode(self.progress.step("decide").result, type=Decided).decision
        return refreshed(made, self.exchange.features, self.exchange.snapshot, self.exchange.policy)

    def settled(self) -> Exchange:
        """Return the exchange with the decision this workflow was given."""
        return replace(self.exchange, decision=self.decided())


class Loader(msgspec.Struct, frozen=True, kw_only=True):
    """Makes a workflow's work out of what is kept."""

    store: WorkflowStore
    keyring: KeyRing
    pipeline: Pipeline
    codecs: Mapping[Dialect, Codec]
    clock: Clock

    async def load(self, row: WorkflowRow) -> Work:
        """Return the work of a workflow; raise Forbidden when its key is no longer valid."""
        caller = await self.keyring.holder(row.key_id)
        if caller is None:
            raise Forbidden("the key that submitted this workflow has been revoked or has expired")
        if not row.task:
            raise Internal("the task of this workflow was erased")
        order = msgspec.json.decode(row.task, type=Order)
        return Work(
            row=row,
            order=order,
            progress=fold(await self.store.events(row.id)),
            caller=caller,
            exchange=await self.weigh(order, caller),
        )

    async def weigh(self, order: Order, caller: Caller) -> Exchange:
        """Return the exchange an order would be now; raise ClientError for a task that cannot be one."""
        request = self.request(order)
        headers = dict(order.headers)
        if order.task.metadata:
            headers[METADATA_HEADER] = msgspec.json.encode(order.task.metadata).decode()
        now = self.clock.now()
        scope = RequestScope(new_id("req", now), now, self.clock.monotonic())
        return await self.pipeline.weigh(request, headers, caller, self.codecs[order.dialect], scope)

    def request(self, order: Order) -> ChatRequest:
        """Return the request an order stands for; raise InvalidRequest."""
        return self.codecs[order.dialect].parse_request(task_body(order.task))


PRIORITIES: Mapping[Priority, int] = {"critical": 1, "high": 2, "normal": 3, "low": 4}
"""As the queue counts them: the least goes first."""
