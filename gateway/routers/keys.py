"""Keys: a secret is shown once, when it is made; nothing returns one that is stored, or its hash."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta

from gateway.administration import DEFAULT_SCOPES, IssuedKey, Issuer, Limit, check_models, check_packs
from gateway.authority import check_grant, reach_key, reach_team
from gateway.exchange import Scope
from gateway.http_values import (
    Listing,
    Paging,
    answer,
    answer_version,
    change_record,
    expected_versions,
    listing,
    read_json,
    read_query,
)
from gateway.keyring import Caller
from gateway.stores.base import KeyChange, KeyRow, KeySpec
from gateway.stores.directory_base import MOST_PACKS, Name, Pace, UnixMs
from gateway.wiring import WIRING, Guarded, Wiring
from policies.facts import RewriteContract


class NewKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The key that is asked for."""

    team: Name
    """Id or name of the team that pays."""
    name: Name
    scopes: list[Scope] = msgspec.field(default_factory=lambda: list(DEFAULT_SCOPES))
    allowed_models: list[str] | None = None
    """Model names the key may reach; null for all."""
    expires_ms: UnixMs | None = None
    budgets: list[Limit] = []
    rpm: Pace | None = None
    """Requests per minute; null for no limit of the key's own. Likewise the next two."""
    tpm: Pace | None = None
    concurrency: Pace | None = None
    packs: Annotated[list[Name], Meta(max_length=MOST_PACKS)] = []
    """Packs laid over the team's, of those the configuration offers to keys (`policy.key_packs`)."""
    rewrite: RewriteContract | None = None
    """What may be rewritten when a model is named; null for the team's contract."""


class KeyPaging(Paging, frozen=True, kw_only=True):
    """Which part of the list of keys is asked for."""

    team: Name | None = None


class Rotation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a secret gives way to the next."""

    overlap_seconds: Annotated[int, Meta(ge=0, le=604_800)] = 0
    """For how long the old secret stays valid; earlier ones never for longer."""


async def create_key(request: web.Request, caller: Caller) -> web.Response:
    """Add a key and show its secret, this once."""
    asked = await read_json(request, NewKey)
    spec = KeySpec(
        name=asked.name,
        scopes=tuple(dict.fromkeys(asked.scopes)),
        allowed_models=None if asked.allowed_models is None else tuple(asked.allowed_models),
        expires_ms=asked.expires_ms,
        budgets=tuple(limit.spec(f"budgets[{i}].limit_usd") for i, limit in enumerate(asked.budgets)),
        rpm=asked.rpm,
        tpm=asked.tpm,
        concurrency=asked.concurrency,
        packs=tuple(asked.packs),
        rewrite=asked.rewrite,
    )
    wiring, principal = request.app[WIRING], caller.principal
    check_grant(principal, spec.scopes)
    team = await reach_team(wiring.directory, principal, asked.team)
    await check_packs(wiring.policies.try_packs, wiring.directory, team, spec.packs)
    issued = await _issuer(wiring).create(team, spec, actor=principal.key_id)
    return answer_version(issued, issued.key, status=201)


async def list_keys(request: web.Request, caller: Caller) -> web.Response:
    """Return keys that are not revoked."""
    paging, directory = read_query(request, KeyPaging), request.app[WIRING].directory
    asked = paging.team or caller.principal.seen_team
    team = None if asked is None else await reach_team(directory, caller.principal, asked)
    keys = await directory.list_keys(team, paging.page)
    return answer(listing(keys, paging))


async def get_key(request: web.Request, caller: Caller) -> web.Response:
    """Return one key, revoked or not."""
    key = await _named(request, caller)
    return answer_version(key, key)


async def change_key(request: web.Request, caller: Caller) -> web.Response:
    """Change a key."""
    return await _change(request, caller, await read_json(request, KeyChange))


async def set_blocked(blocked: bool, request: web.Request, caller: Caller) -> web.Response:  # noqa: FBT001
    """Block or unblock a key; again changes nothing."""
    return await _change(request, caller, KeyChange(blocked=blocked))


async def rotate_key(request: web.Request, caller: Caller) -> web.Response:
    """Give a key a new secret and show it, this once."""
    rotation = await read_json(request, Rotation) if request.can_read_body else Rotation()
    key = await _named(request, caller)
    check_grant(caller.principal, key.scopes)
    issued = await _issuer(request.app[WIRING]).rotate(
        key.id,
        overlap_s=rotation.overlap_seconds,
        actor=caller.principal.key_id,
        expected=expected_versions(request),
    )
    return answer_version(issued, issued.key)


async def revoke_key(request: web.Request, caller: Caller) -> web.Response:
    """End a key; again changes nothing."""
    key, directory = await _named(request, caller), request.app[WIRING].directory
    return await change_record(request, caller.principal.key_id, directory.revoke_key, key.id)


async def _named(request: web.Request, caller: Caller) -> KeyRow:
    """Return the key the path names; raise NotFound for one the caller does not administer."""
    return await reach_key(request.app[WIRING].directory, caller.principal, request.match_info["id"])


async def _change(request: web.Request, caller: Caller, change: KeyChange) -> web.Response:
    if change.scopes is not UNSET:
        check_grant(caller.principal, change.scopes)
    if change.allowed_models is not UNSET:
        check_models(change.allowed_models, request.app[WIRING].configuration)
    wiring, key = request.app[WIRING], await _named(request, caller)
    if change.packs is not UNSET:
        await check_packs(wiring.policies.try_packs, wiring.directory, key.team_id, change.packs)
    return await change_record(request, caller.principal.key_id, wiring.directory.update_key, key.id, change)


def _issuer(wiring: Wiring) -> Issuer:
    return Issuer(wiring.directory, wiring.configuration)


ROUTES = (
    Guarded(
        method="POST",
        path="/v1/keys",
        handler=create_key,
        scope="admin",
        summary="Create a key; its secret is shown only now.",
        body=NewKey,
        answer=IssuedKey,
        status=201,
    ),
    Guarded(
        method="GET",
        path="/v1/keys",
        handler=list_keys,
        scope="admin",
        summary="The keys that are not revoked, oldest first; never a secret.",
        query=KeyPaging,
        answer=Listing[KeyRow],
    ),
    Guarded(
        method="GET",
        path="/v1/keys/{id}",
        handler=get_key,
        scope="admin",
        summary="One key; its version is the ETag.",
        answer=KeyRow,
    ),
    Guarded(
        method="PATCH",
        path="/v1/keys/{id}",
        handler=change_key,
        scope="admin",
        summary="Change what is named of a key; with If-Match, only at that version.",
        body=KeyChange,
        answer=KeyRow,
        versioned=True,
    ),
    Guarded(
        method="DELETE",
        path="/v1/keys/{id}",
        handler=revoke_key,
        scope="admin",
        summary="Revoke a key for good.",
        answer=KeyRow,
        versioned=True,
    ),
    Guarded(
        method="POST",
        path="/v1/keys/{id}/rotate",
        handler=rotate_key,
        scope="admin",
        summary="Give a key a new secret; the old one stays valid for `overlap_seconds`.",
        body=Rotation,
        answer=IssuedKey,
        versioned=True,
    ),
    *(
        Guarded(
            method="POST",
            path=f"/v1/keys/{{id}}/{verb}",
            handler=partial(set_blocked, verb == "block"),
            scope="admin",
            summary=summary,
            answer=KeyRow,
            versioned=True,
        )
        for verb, summary in (
            ("block", "Refuse a key until it is unblocked."),
            ("unblock", "Accept a blocked key again."),
        )
    ),
)
