"""What the routers need of the assembled application, and what a route is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec
from aiohttp import web

from gateway.backtest import BackTests
from gateway.clock import Clock
from gateway.config_file import Configuration
from gateway.exchange import Scope
from gateway.keyring import Caller, KeyRing
from gateway.pipeline import Pipeline
from gateway.policy_source import PolicySource
from gateway.siblings import Siblings
from gateway.stores.base import Books, DecisionReader, Directory, OutcomeReader, StateStore
from gateway.telemetry import Telemetry
from gateway.track_records import TrackRecords
from gateway.wire.base import Codec
from gateway.workflows.desk import Desk
from policies.facts import Dialect


class Wiring(msgspec.Struct, frozen=True, kw_only=True):
    """The assembled parts."""

    configuration: Configuration
    pipeline: Pipeline
    policies: PolicySource
    keyring: KeyRing
    books: Books
    state: StateStore
    decisions: DecisionReader
    outcomes: OutcomeReader
    track_records: TrackRecords
    back_tests: BackTests
    directory: Directory
    desk: Desk
    telemetry: Telemetry
    siblings: Siblings | None = None
    """The other workers of this machine, where there are any."""
    clock: Clock
    codecs: Mapping[Dialect, Codec]


WIRING = web.AppKey("wiring", Wiring)
PublicHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]
GuardedHandler = Callable[[web.Request, Caller], Awaitable[web.StreamResponse]]


class Guarded(msgspec.Struct, frozen=True, kw_only=True):
    """A route that needs a key with `scope`."""

    method: str
    path: str
    handler: GuardedHandler
    scope: Scope
    summary: str
    query: object = None
    """The type the query string is read into; likewise the body, and what is answered. None: not declared."""
    body: object = None
    answer: object = None
    status: int = 200
    media: tuple[str, ...] = ("application/json",)
    """The content types of a good answer."""
    versioned: bool = False
    """Whether `If-Match` is heeded."""


class Public(msgspec.Struct, frozen=True, kw_only=True):
    """A route anyone may call; it touches no upstream and tells nothing of tenants."""

    method: str
    path: str
    handler: PublicHandler
    summary: str
    media: tuple[str, ...] = ("application/json",)
    statuses: tuple[int, ...] = (200,)
    """What it answers with a body of that kind."""


Route = Guarded | Public
