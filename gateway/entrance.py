"""The way in: what surrounds every route is composed once, and a route is found by its exact path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import cast

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

_Heard = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
LAYERS = web.AppKey("layers", tuple[Middleware, ...])
"""What surrounds every route, outermost first."""


def enter(runner: web.AppRunner) -> None:
    """Let a started application's connections come in this way."""
    server = runner.server
    if server is None:
        raise RuntimeError("the application has not started")
    entrance = _Entrance(runner.app, cast("Handler", server.request_handler))
    server.request_handler = cast("_Heard", entrance.handle)


class _Entrance:
    """Takes every request of a started application through its layers to its route.

    The application keeps the one table of routes. A path without parameters is looked up here, because
    resolving it anew costs more than what a handler does before it thinks; parameters, expectations and
    what does not exist are left to the application's own resolver.
    """

    def __init__(self, app: web.Application, resolve: Handler) -> None:
        self._exact = dict(_exact(app))
        self._resolve = resolve
        self.handle: Handler = self._to_route
        layers: tuple[Middleware, ...] = app[LAYERS]
        for layer in reversed(layers):
            self.handle = partial(layer, handler=self.handle)

    def _to_route(self, request: web.Request) -> Awaitable[web.StreamResponse]:
        match = self._exact.get((request.method, request.rel_url.raw_path))
        if match is None or "expect" in request.headers:
            return self._resolve(request)
        request._match_info = match  # noqa: SLF001 - as the resolver would, which offers no other way
        return match.handler(request)


def _exact(app: web.Application) -> Iterator[tuple[tuple[str, str], web.UrlMappingMatchInfo]]:
    """Yield what the application's resolver finds for each path that has no parameters."""
    for route in app.router.routes():
        path = route.get_info().get("path")
        if path is not None:
            match = web.UrlMappingMatchInfo({}, route)
            match.add_app(app)
            match.freeze()
            yield (route.method, path), match
