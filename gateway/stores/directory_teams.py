"""Changes to teams, each inside an act."""

from __future__ import annotations

import msgspec
from msgspec import UNSET
from msgspec.structs import asdict
from sqlalchemy import Connection, insert, or_, select, update

from gateway.errors import Conflict, NotFound
from gateway.stores.directory_acts import Act, check_version, differences
from gateway.stores.directory_base import Page, TeamChange, TeamRow, TeamSpec, Versions
from gateway.stores.directory_budgets import lift_budgets_of_team
from gateway.stores.directory_rows import on_page, read_team
from gateway.stores.directory_rules import check_team
from gateway.stores.schema import fit_text, keys, teams

_LIVE = teams.c.deleted_ms.is_(None)


def create_team(act: Act, spec: TeamSpec) -> TeamRow:
    """Add a team; raise Conflict or InvalidRequest."""
    check_team(spec)
    _check_free(act.connection, spec.name)
    team = TeamRow(id=act.new_id("team"), created_ms=act.now_ms, **asdict(spec))
    act.connection.execute(insert(teams).values(asdict(team)))
    act.record("team.create", team.id, asdict(spec))
    return team


def find_team(connection: Connection, team: str) -> TeamRow:
    """Return a live team by id or, failing that, by name; raise NotFound."""
    named = or_(teams.c.id == team, teams.c.name == team)
    rows = connection.execute(select(teams).where(named, _LIVE)).mappings()
    found = sorted((read_team(row) for row in rows), key=lambda row: row.id != team)
    if not found:
        raise NotFound(f"no team is called `{fit_text(team, 64)}`; create it first")
    return found[0]


def read_teams(connection: Connection, page: Page | None) -> list[TeamRow]:
    """Return live teams in order of creation."""
    query = on_page(select(teams).where(_LIVE), teams.c.id, page)
    return [read_team(row) for row in connection.execute(query).mappings()]


def update_team(act: Act, team: str, change: TeamSpec | TeamChange, expected: Versions) -> TeamRow:
    """Give a team other settings; raise NotFound, Conflict, PreconditionFailed or InvalidRequest."""
    found = find_team(act.connection, team)
    check_version("team", found.version, expected)
    asked = {name: value for name, value in asdict(change).items() if value is not UNSET}
    check_team(TeamSpec(**{name: getattr(found, name) for name in TeamSpec.__struct_fields__} | asked))
    changed = msgspec.structs.replace(found, **asked)
    if changed == found:
        return found
    if changed.name != found.name:
        _check_free(act.connection, changed.name)
    changed = msgspec.structs.replace(changed, version=found.version + 1)
    act.connection.execute(update(teams).where(teams.c.id == found.id).values(asdict(changed)))
    act.record("team.update", found.id, differences(found, changed))
    return changed


def delete_team(act: Act, team: str, expected: Versions) -> TeamRow:
    """Retire a team, revoke its keys and lift their budgets; raise NotFound or PreconditionFailed."""
    found = find_team(act.connection, team)
    check_version("team", found.version, expected)
    gone = msgspec.structs.replace(found, deleted_ms=act.now_ms, version=found.version + 1)
    act.connection.execute(update(teams).where(teams.c.id == found.id).values(asdict(gone)))
    live = (keys.c.team_id == found.id, keys.c.revoked_ms.is_(None))
    act.connection.execute(
        update(keys).where(*live).values(revoked_ms=act.now_ms, version=keys.c.version + 1)
    )
    lift_budgets_of_team(act, found.id)
    act.record("team.delete", found.id, {"name": found.name})
    return gone


def _check_free(connection: Connection, name: str) -> None:
    if connection.scalar(select(teams.c.id).where(teams.c.name == name, _LIVE)) is not None:
        raise Conflict(f"a team named `{name}` exists already; choose another name", param="name")
