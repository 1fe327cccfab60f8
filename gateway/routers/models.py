"""The models a key may use, `auto` first."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from aiohttp import web

from gateway.errors import ModelNotFound
from gateway.keyring import Caller
from gateway.wiring import WIRING, Guarded
from policies.policy import Fleet

_CREATED, _CREATED_AT = 1_735_689_600, "2025-01-01T00:00:00Z"
"""OpenAI's shape wants an instant; models here have none, so it is one fixed day."""


class Model(msgspec.Struct, frozen=True):
    """OpenAI's model object and Anthropic's in one: each client reads the fields it knows."""

    id: str
    owned_by: str
    display_name: str
    object: str = "model"
    type: str = "model"
    created: int = _CREATED
    created_at: str = _CREATED_AT


class ModelList(msgspec.Struct, frozen=True):
    """OpenAI's list object and Anthropic's in one."""

    data: list[Model]
    first_id: str
    last_id: str
    has_more: bool = False
    object: str = "list"


def usable(fleet: Fleet, caller: Caller) -> Iterator[Model]:
    """Yield `auto` and every model name the key may reach."""
    allowed = caller.principal.allowed_models
    yield Model(id="auto", owned_by="gateway", display_name="auto")
    seen: set[str] = set()
    for deployment in fleet.deployments.values():
        name = deployment.model_name
        if name not in seen and (allowed is None or name in allowed):
            seen.add(name)
            yield Model(id=name, owned_by=deployment.provider, display_name=name)


async def list_models(request: web.Request, caller: Caller) -> web.Response:
    """Return every usable model."""
    policy = request.app[WIRING].policies.for_team(caller.principal.team_name)
    models = list(usable(policy.fleet, caller))
    body = msgspec.json.encode(ModelList(models, first_id=models[0].id, last_id=models[-1].id))
    return web.Response(body=body, content_type="application/json")


async def get_model(request: web.Request, caller: Caller) -> web.Response:
    """Return one usable model; raise ModelNotFound for others."""
    policy = request.app[WIRING].policies.for_team(caller.principal.team_name)
    name = request.match_info["id"]
    found = next((m for m in usable(policy.fleet, caller) if m.id == name), None)
    if found is None:
        raise ModelNotFound(f"the model `{name[:200]}` does not exist or you do not have access to it")
    return web.Response(body=msgspec.json.encode(found), content_type="application/json")


ROUTES = (
    Guarded(
        method="GET",
        path="/v1/models",
        handler=list_models,
        scope="inference",
        summary="Models this key may use, `auto` first.",
        answer=ModelList,
    ),
    Guarded(
        method="GET",
        path=r"/v1/models/{id:[\s\S]+}",
        handler=get_model,
        scope="inference",
        summary="One model this key may use.",
        answer=Model,
    ),
)
