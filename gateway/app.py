"""The composition root: the only file that names implementations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
from aiohttp import web

from gateway.backtest import BackTests
from gateway.budget_alerts import BudgetAlerts
from gateway.clock import Clock, SystemClock, new_id
from gateway.config_file import Configuration
from gateway.dispatcher import Dispatcher
from gateway.entrance import LAYERS
from gateway.exchange import Exchange, Upstream
from gateway.fleet import ENVIRONMENT, LITELLM, LITELLM_EMBEDDINGS, Reach
from gateway.inspection import Inspector
from gateway.intake import invite_body
from gateway.keyring import KeyRing, Trust
from gateway.lanes import Routes
from gateway.ledger import Ledger
from gateway.middleware.authentication import guarded
from gateway.middleware.error_envelope import error_envelope
from gateway.middleware.request_scope import request_scope, sign
from gateway.outcomes import OutcomeWatch
from gateway.pack_files import load_impact_rules, load_reach
from gateway.pipeline import Parts, Pipeline
from gateway.policy_source import PolicySource
from gateway.provisioning import apply_declared_teams
from gateway.routers import ROUTES
from gateway.siblings import Siblings
from gateway.stores.base import StateStore
from gateway.stores.economy import EconomyMemory
from gateway.stores.health import HealthMemory
from gateway.stores.memory import MemoryState
from gateway.stores.refused import RefusedDecisions
from gateway.stores.sessions import SessionMemory
from gateway.stores.sql_books import SqlBooks
from gateway.stores.upkeep import Retention
from gateway.telemetry import Telemetry
from gateway.track_records import TrackRecords
from gateway.upstreams.aiohttp_client import AiohttpClient
from gateway.upstreams.pool import HttpPool
from gateway.wire import Bridges, build_codecs
from gateway.wiring import WIRING, Guarded, Wiring
from gateway.workflows.office import Materials, opened
from policies.health import BreakerRule
from policies.verdicts import Outcome


class _Stores(msgspec.Struct, frozen=True):
    """What the request path writes to."""

    books: SqlBooks
    state: StateStore


def build_app(configuration: Configuration, *, siblings: Siblings | None = None) -> web.Application:
    """Return the gateway as an aiohttp application; raise ConfigError for what cannot work."""
    clock: Clock = SystemClock()
    reach = load_reach(configuration)
    policies = PolicySource(configuration, reach)
    telemetry, codecs = Telemetry(), build_codecs()
    app = web.Application(client_max_size=configuration.settings.server.max_body_bytes)
    app[LAYERS] = (request_scope(clock), error_envelope(codecs, telemetry))

    async def run(app: web.Application) -> AsyncIterator[None]:
        books = open_books(configuration, clock)
        upstreams = _upstreams(reach)
        await books.start()
        try:
            await apply_declared_teams(configuration.settings.teams, books.directory)
            keyring = await _keyring(configuration, books, clock)
            async with _started(_open_state(configuration, books, clock, telemetry)) as state:
                stores = _Stores(books, state)
                pipeline = _pipeline(configuration, stores, policies, upstreams, clock, telemetry)
                materials = _materials(configuration, books, pipeline, keyring, telemetry)
                async with opened(materials) as office:
                    app[WIRING] = Wiring(
                        configuration=configuration,
                        pipeline=pipeline,
                        policies=policies,
                        keyring=keyring,
                        books=books,
                        state=state,
                        decisions=books,
                        outcomes=books,
                        track_records=TrackRecords(books, clock),
                        back_tests=BackTests(configuration.path),
                        directory=books.directory,
                        desk=office.desk,
                        telemetry=telemetry,
                        siblings=siblings,
                        clock=clock,
                        codecs=codecs,
                    )
                    async with _watched(policies, configuration), _joined(siblings, telemetry):
                        yield
        finally:
            await asyncio.gather(*(upstream.close() for upstream in upstreams.values()))
            await books.close()

    app.cleanup_ctx.append(run)
    _complete(app)
    return app


def _complete(app: web.Application) -> None:
    app.on_response_prepare.append(sign)
    app.on_shutdown.append(_stop_waiting)
    for route in ROUTES:
        handler = guarded(route) if isinstance(route, Guarded) else route.handler
        app.router.add_route(route.method, route.path, handler, expect_handler=invite_body)


@asynccontextmanager
async def _started(state: StateStore) -> AsyncIterator[StateStore]:
    """Keep the state started for the length of the block."""
    await state.start()
    try:
        yield state
    finally:
        await state.close()


async def _stop_waiting(app: web.Application) -> None:
    """Let clients that wait for a workflow go before connections are waited for."""
    app[WIRING].desk.stop()


@asynccontextmanager
async def _watched(policies: PolicySource, configuration: Configuration) -> AsyncIterator[None]:
    """Reload changed packs for the length of the block."""
    watcher = asyncio.create_task(policies.watch(configuration.settings.policy.reload_seconds))
    try:
        yield
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher


@asynccontextmanager
async def _joined(siblings: Siblings | None, telemetry: Telemetry) -> AsyncIterator[None]:
    """Give our metrics to the other workers for the length of the block."""
    if siblings is not None:
        await siblings.start(telemetry.exposition)
    try:
        yield
    finally:
        if siblings is not None:
            await siblings.close()


def open_books(configuration: Configuration, clock: Clock) -> SqlBooks:
    """Return the configured books, not yet started; the CLI opens the same ones."""
    general = configuration.settings.general_settings
    url = general.database_url.get_secret_value()
    spool = None if general.spool_dir is None else configuration.folder / general.spool_dir
    kept = configuration.settings.retention
    return SqlBooks(
        _absolute(url, configuration.folder),
        spool_dir=spool,
        clock=clock,
        retention=Retention(requests_days=kept.requests_days, decisions_days=kept.decisions_days),
    )


def _materials(
    configuration: Configuration,
    books: SqlBooks,
    pipeline: Pipeline,
    keyring: KeyRing,
    telemetry: Telemetry,
) -> Materials:
    """Return what the workflows are made from."""
    return Materials(
        settings=configuration.settings.workflows,
        store=books.workflows,
        books=books,
        track_records=TrackRecords(books, books.clock),
        pipeline=pipeline,
        keyring=keyring,
        codecs=build_codecs(),
        telemetry=telemetry,
        clock=books.clock,
        driver_url=books.driver_url,
        home=books.home,
        shared=books.shared,
        drain_s=configuration.settings.server.drain_seconds,
    )


def _open_state(
    configuration: Configuration, books: SqlBooks, clock: Clock, telemetry: Telemetry
) -> StateStore:
    """Return the configured admission state, not yet started."""
    general = configuration.settings.general_settings
    alerts = BudgetAlerts(general.budget_alerts, telemetry)
    if general.redis_url is None:
        return MemoryState(books.spent, watch=alerts)
    from gateway.stores.redis import Identity, RedisLink
    from gateway.stores.shared_state import SharedRules, SharedState

    link = RedisLink(general.redis_url.get_secret_value(), Identity(worker=new_id("w", clock.now())))
    rules = SharedRules(fails_open=general.on_state_outage == "open")
    return SharedState(link, books, clock, watch=alerts, rules=rules)


def _absolute(url: str, folder: Path) -> str:
    """Let a relative SQLite path start from the config file's folder."""
    scheme = "sqlite:///"
    if not url.startswith(scheme) or url.startswith(scheme + "/"):
        return url
    return scheme + str((folder / url.removeprefix(scheme)).resolve())


def _upstreams(reach: Reach) -> dict[str, Upstream]:
    """Return the transports the deployments need; litellm is imported only where one needs it."""
    upstreams: dict[str, Upstream] = {"http": HttpPool()}
    transports = {e.transport for by_dialect in reach.endpoints.values() for e in by_dialect.values()}
    if not transports.isdisjoint({LITELLM, LITELLM_EMBEDDINGS}):
        from gateway.upstreams.litellm import LitellmUpstream

        upstreams[LITELLM] = LitellmUpstream("acompletion")
        upstreams[LITELLM_EMBEDDINGS] = LitellmUpstream("aembedding")
    for name, proxy in reach.proxies().items():
        in_environment = proxy == ENVIRONMENT
        upstreams[name] = AiohttpClient(proxy=None if in_environment else proxy, trust_env=in_environment)
    return upstreams


async def _keyring(configuration: Configuration, books: SqlBooks, clock: Clock) -> KeyRing:
    general = configuration.settings.general_settings
    configured = general.key_pepper.get_secret_value().encode() if general.key_pepper else None
    return KeyRing(
        books=books,
        pepper=configured or await books.directory.pepper(),
        master_key=general.master_key.get_secret_value() if general.master_key else None,
        clock=clock,
        trust=Trust(
            fresh_s=configuration.settings.server.key_cache_seconds, stale_s=general.keys_stale_seconds
        ),
        admin_teams=general.admin_teams,
    )


def _pipeline(
    configuration: Configuration,
    stores: _Stores,
    policies: PolicySource,
    upstreams: Mapping[str, Upstream],
    clock: Clock,
    telemetry: Telemetry,
) -> Pipeline:
    settings = configuration.settings
    books, state = stores.books, stores.state
    router = settings.router_settings
    health = HealthMemory(BreakerRule(failures=router.allowed_fails, cooldown_s=router.cooldown_time))

    def observe(exchange: Exchange, outcome: Outcome) -> None:
        health.note(outcome, clock.monotonic())
        telemetry.attempt_failed(exchange, outcome)

    dispatcher = Dispatcher(
        routes=Routes(endpoints=policies.reach.endpoints, upstreams=upstreams, bridges=Bridges(clock.now)),
        clock=clock,
        max_answer_bytes=settings.server.max_answer_bytes,
        observe=observe,
    )
    return Pipeline(
        Parts(
            policies=policies,
            aliases=settings.aliases,
            ledger=Ledger(books=books, state=state, clock=clock, deployment_limits=policies.reach.limits),
            state=state,
            sessions=SessionMemory(),
            health=health,
            refused=RefusedDecisions(),
            economy=EconomyMemory(),
            dispatcher=dispatcher,
            inspector=Inspector(load_impact_rules),
            outcomes=OutcomeWatch(books, clock),
            telemetry=telemetry,
            clock=clock,
            store_prompts=settings.log.store_prompts,
            max_concurrency=settings.server.max_concurrency,
            keepalive_s=settings.server.keepalive_seconds,
        )
    )
