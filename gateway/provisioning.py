"""Brings the books in line with what the configuration declares."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors import Conflict, NotFound
from gateway.settings import TeamEntry
from gateway.stores.base import BudgetSpec, Directory, TeamRow, TeamSpec
from policies.pricing import nano

ACTOR = "config"


async def apply_declared_teams(teams: Sequence[TeamEntry], directory: Directory) -> None:
    """Create the declared teams that do not exist, apply changed settings, and set their budgets."""
    for entry in teams:
        spec = TeamSpec(
            name=entry.name,
            rewrite=entry.rewrite,
            honours_route_wish=entry.honours_route_wish,
            baseline=entry.baseline,
            time_zone=entry.time_zone,
            rpm=entry.rpm,
            tpm=entry.tpm,
            concurrency=entry.concurrency,
        )
        team = await _ensure(spec, directory)
        if entry.budget_usd is not None:
            budget = BudgetSpec(limit_nano=nano(entry.budget_usd), period=entry.period)
            await directory.set_budget(f"team:{team.id}", budget, actor=ACTOR)


async def _ensure(spec: TeamSpec, directory: Directory) -> TeamRow:
    try:
        team = await directory.find_team(spec.name)
    except NotFound:
        try:
            return await directory.create_team(spec, actor=ACTOR)
        except Conflict:  # another worker was first
            team = await directory.find_team(spec.name)
    known = TeamSpec(
        name=team.name,
        rewrite=team.rewrite,
        honours_route_wish=team.honours_route_wish,
        baseline=team.baseline,
        time_zone=team.time_zone,
        rpm=team.rpm,
        tpm=team.tpm,
        concurrency=team.concurrency,
    )
    return team if known == spec else await directory.update_team(team.id, spec, actor=ACTOR)
