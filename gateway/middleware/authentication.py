"""Every route but those declared public asks for a key and a scope."""

from __future__ import annotations

from aiohttp import web

from gateway.errors import Forbidden
from gateway.taking_turns import OTHERS
from gateway.wiring import WIRING, Guarded, PublicHandler

_HEADERS = ("x-api-key", "api-key", "x-litellm-api-key")
_BEARER = "bearer "


def guarded(route: Guarded) -> PublicHandler:
    """Return the route's handler behind authentication and the scope it needs."""
    handler, scope = route.handler, route.scope
    administers = scope == "admin" and route.method != "GET"

    async def authenticated(request: web.Request) -> web.StreamResponse:
        await OTHERS.meet()
        keyring = request.app[WIRING].keyring
        caller = await keyring.caller(presented_key(request))
        if scope not in caller.principal.scopes:
            raise Forbidden(f"this key lacks the scope `{scope}`; ask for a key that has it")
        answer = await handler(request, caller)
        if administers:  # so that a revoked key ends with the answer that says so
            keyring.forget()
        return answer

    return authenticated


def presented_key(request: web.BaseRequest) -> str | None:
    """Return the key as any of the accepted headers carries it."""
    authorization = request.headers.get("authorization")
    if authorization and authorization[: len(_BEARER)].lower() == _BEARER:
        return authorization[len(_BEARER) :].strip()
    return next((key.strip() for name in _HEADERS if (key := request.headers.get(name))), None)
