"""What an admin's key may administer: everything, or its own team."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.errors import Forbidden, NotFound
from gateway.exchange import Principal, Scope
from gateway.stores.base import Directory, KeyRow


def require_organisation(principal: Principal) -> None:
    """Raise Forbidden unless the key administers the whole organisation."""
    if not principal.organisation:
        raise Forbidden(
            "this key administers its own team only; ask for the master key or a key of one of "
            "`general_settings.admin_teams`"
        )


async def reach_team(directory: Directory, principal: Principal, team: str) -> str:
    """Return the id of a team the key administers; raise NotFound for any other, whether it exists or not."""
    if principal.organisation:
        return (await directory.find_team(team)).id
    if team not in {principal.team_id, principal.team_name}:
        raise NotFound(f"no team of yours is called `{team[:64]}`; this key administers its own team only")
    return principal.team_id


async def reach_key(directory: Directory, principal: Principal, key_id: str) -> KeyRow:
    """Return a key the caller administers; raise NotFound for any other."""
    key = await directory.find_key(key_id)
    if not principal.organisation and key.team_id != principal.team_id:
        raise NotFound(f"no key has the id `{key_id[:64]}`; list the keys to see them")
    return key


async def reach_budget(directory: Directory, principal: Principal, scope: str, *, change: bool) -> None:
    """Raise Forbidden or NotFound unless the caller may see, or change, the limit of a scope.

    A team's own limits are set for it, by the organisation; those of its keys it may set itself.
    """
    if principal.organisation:
        return
    kind, _, owner = scope.partition("/")[0].partition(":")
    if kind == "key":
        await reach_key(directory, principal, owner)
    elif kind != "team" or change:
        require_organisation(principal)
    else:
        await reach_team(directory, principal, owner)


def check_grant(principal: Principal, scopes: Iterable[Scope]) -> None:
    """Raise Forbidden when a key is to be given, or a secret is to be shown for, what the caller has not."""
    more = sorted(set(scopes) - principal.scopes)
    if more and not principal.organisation:
        raise Forbidden(f"this key lacks the scope `{more[0]}` itself and cannot hand it out")
