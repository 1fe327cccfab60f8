"""The API's own description: OpenAPI, and a page that shows it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from html import escape

import msgspec
from aiohttp import web

from gateway import openapi
from gateway.wiring import Guarded, Public, Route

_PAGE = """<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>gateway: endpoints</title>
<style>body{{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}}
td,th{{text-align:left;padding:.3rem .8rem;border-bottom:1px solid #ddd}}code{{font-size:.95em}}</style>
<h1>Endpoints</h1><p>Machine-readable: <a href="/openapi.json">/openapi.json</a>.</p>
<table><tr><th>method<th>path<th>scope<th>what</tr>{rows}</table>
"""


def routes(resources: Iterable[Route]) -> tuple[Route, ...]:
    """Return the routes that describe `resources` and themselves."""
    described: list[Route] = list(resources)

    @cache
    def encoded() -> bytes:
        return msgspec.json.encode(openapi.document(described))

    @cache
    def page() -> str:
        return _PAGE.format(rows="".join(_row(route) for route in described))

    async def get_openapi(_request: web.Request) -> web.Response:
        return web.Response(body=encoded(), content_type="application/json")

    async def get_page(_request: web.Request) -> web.Response:
        return web.Response(text=page(), content_type="text/html")

    own = (
        Public(method="GET", path="/openapi.json", handler=get_openapi, summary="This API in OpenAPI 3.1."),
        Public(
            method="GET", path="/docs", handler=get_page, summary="This API for people.", media=("text/html",)
        ),
    )
    described.extend(own)
    return own


def _row(route: Route) -> str:
    scope = route.scope if isinstance(route, Guarded) else "public"
    path = escape(openapi.plain_path(route.path))
    return f"<tr><td>{route.method}<td><code>{path}</code><td>{scope}<td>{escape(route.summary)}</tr>"
