"""Puts the parts of the workflows together, starts them and lets go of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial

import msgspec

from gateway.clock import Clock, new_id
from gateway.keyring import KeyRing
from gateway.pipeline import Pipeline
from gateway.settings import WorkflowSettings
from gateway.stores.base import Books
from gateway.stores.workflows_base import WorkflowStore
from gateway.telemetry import Telemetry
from gateway.track_records import TrackRecords
from gateway.wire.base import Codec
from gateway.workflows.caretaker import Caretaker
from gateway.workflows.desk import Desk
from gateway.workflows.durable import Driven, Durable
from gateway.workflows.journal import Journal
from gateway.workflows.runner import Runner
from gateway.workflows.steps import Home, StepParts, Steps
from gateway.workflows.targets import Targets
from gateway.workflows.webhooks import Bells
from gateway.workflows.work import Loader
from policies.facts import Dialect

_LOOK_S = 0.02


class Materials(msgspec.Struct, frozen=True, kw_only=True):
    """What workflows are made from."""

    settings: WorkflowSettings
    store: WorkflowStore
    books: Books
    track_records: TrackRecords
    pipeline: Pipeline
    keyring: KeyRing
    codecs: Mapping[Dialect, Codec]
    telemetry: Telemetry
    clock: Clock
    driver_url: str
    """Where the driver keeps which steps are done."""
    home: str
    shared: bool
    drain_s: float


class Office(msgspec.Struct, frozen=True, kw_only=True):
    """The assembled workflows of one process."""

    desk: Desk
    caretaker: Caretaker
    drain_s: float

    async def drain(self) -> None:
        """Wait for the steps under way, as long as the settings allow; what remains stays durable."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.drain_s):
                while self.desk.runner.running:  # noqa: ASYNC110 - steps end in many places
                    await asyncio.sleep(_LOOK_S)
        await self.desk.durable.close()
        await self.desk.runner.settle()


def assemble(m: Materials) -> Office:
    """Return the workflows over their parts; nothing is loaded or started yet."""
    worker, metrics = new_id("w", m.clock.now()), m.telemetry.workflows
    journal = Journal(m.store, m.clock, metrics)
    loader = Loader(store=m.store, keyring=m.keyring, pipeline=m.pipeline, codecs=m.codecs, clock=m.clock)
    home = Home(
        name=m.home,
        worker=worker,
        lease_s=m.settings.lease_seconds,
        since_ms=journal.now_ms,
        reruns=m.settings.reruns_after_interruption,
    )
    parts = StepParts(
        pipeline=m.pipeline, store=m.store, books=m.books, track_records=m.track_records, journal=journal
    )
    steps = Steps(parts, home)
    runner = Runner(steps=steps, loader=loader, journal=journal, clock=m.clock, metrics=metrics)
    bells = _bells(m, journal)
    driven = Driven(
        perform=runner.perform,
        conclude=runner.conclude,
        expire=journal.expire,
        ring=bells.ring,
        silence=bells.silence,
        arrive=partial(_arrive, m, worker),
    )
    durable = Durable(url=m.driver_url, worker=worker, concurrency=m.settings.concurrency, driven=driven)
    bells.queue, journal.tell = durable.ring, bells.announce
    caretaker = Caretaker(
        store=m.store,
        journal=journal,
        durable=durable,
        runner=runner,
        settings=m.settings,
        worker=worker,
        shared=m.shared,
    )
    desk = Desk(
        store=m.store,
        journal=journal,
        loader=loader,
        runner=runner,
        durable=durable,
        bells=bells,
        settings=m.settings,
        draining=asyncio.Event(),
    )
    m.pipeline.approvals = desk.ask_approval
    return Office(desk=desk, caretaker=caretaker, drain_s=m.drain_s)


def _bells(m: Materials, journal: Journal) -> Bells:
    secret = m.settings.webhook_secret
    return Bells(
        store=m.store,
        journal=journal,
        targets=Targets(m.settings.webhook_allow),
        secret=None if secret is None else secret.get_secret_value(),
        clock=m.clock,
    )


async def _arrive(m: Materials, worker: str) -> None:
    """Say that this process lives, before it takes anything over."""
    await m.store.beat(worker, int(m.clock.now() * 1000))


@asynccontextmanager
async def opened(materials: Materials) -> AsyncIterator[Office]:
    """Run the workflows for the length of the block."""
    office = assemble(materials)
    watching = asyncio.create_task(office.caretaker.watch())
    try:
        yield office
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        office.desk.stop()
        await office.drain()
        await office.caretaker.leave()
