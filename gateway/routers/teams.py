"""Teams: who pays, in which time zone, under which contract."""

from __future__ import annotations

from aiohttp import web

from gateway.authority import reach_team, require_organisation
from gateway.http_values import (
    Listing,
    Paging,
    answer,
    answer_version,
    change_record,
    listing,
    read_json,
    read_query,
)
from gateway.keyring import Caller
from gateway.stores.base import TeamChange, TeamRow, TeamSpec
from gateway.wiring import WIRING, Guarded


async def create_team(request: web.Request, caller: Caller) -> web.Response:
    """Add a team."""
    require_organisation(caller.principal)
    spec = await read_json(request, TeamSpec)
    team = await request.app[WIRING].directory.create_team(spec, actor=caller.principal.key_id)
    return answer_version(team, team, status=201)


async def list_teams(request: web.Request, caller: Caller) -> web.Response:
    """Return live teams: all, or the caller's own."""
    paging, directory = read_query(request, Paging), request.app[WIRING].directory
    own = caller.principal.seen_team
    if own is not None:
        return answer(listing([await directory.find_team(own)], paging))
    return answer(listing(await directory.list_teams(paging.page), paging))


async def get_team(request: web.Request, caller: Caller) -> web.Response:
    """Return one live team."""
    directory = request.app[WIRING].directory
    team = await directory.find_team(
        await reach_team(directory, caller.principal, request.match_info["team"])
    )
    return answer_version(team, team)


async def change_team(request: web.Request, caller: Caller) -> web.Response:
    """Give a team other settings."""
    require_organisation(caller.principal)
    change = await read_json(request, TeamChange)
    update, name = request.app[WIRING].directory.update_team, request.match_info["team"]
    return await change_record(request, caller.principal.key_id, update, name, change)


async def delete_team(request: web.Request, caller: Caller) -> web.Response:
    """Retire a team; requests in flight are still served and booked."""
    require_organisation(caller.principal)
    delete, name = request.app[WIRING].directory.delete_team, request.match_info["team"]
    return await change_record(request, caller.principal.key_id, delete, name)


ROUTES = (
    Guarded(
        method="POST",
        path="/v1/teams",
        handler=create_team,
        scope="admin",
        summary="Create a team.",
        body=TeamSpec,
        answer=TeamRow,
        status=201,
    ),
    Guarded(
        method="GET",
        path="/v1/teams",
        handler=list_teams,
        scope="admin",
        summary="The live teams, oldest first.",
        query=Paging,
        answer=Listing[TeamRow],
    ),
    Guarded(
        method="GET",
        path="/v1/teams/{team}",
        handler=get_team,
        scope="admin",
        summary="One team, by id or name; its version is the ETag.",
        answer=TeamRow,
    ),
    Guarded(
        method="PATCH",
        path="/v1/teams/{team}",
        handler=change_team,
        scope="admin",
        summary="Change what is named of a team; with If-Match, only at that version.",
        body=TeamChange,
        answer=TeamRow,
        versioned=True,
    ),
    Guarded(
        method="DELETE",
        path="/v1/teams/{team}",
        handler=delete_team,
        scope="admin",
        summary="Retire a team and revoke its keys; its ledger stays.",
        answer=TeamRow,
        versioned=True,
    ),
)
