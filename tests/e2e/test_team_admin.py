"""An admin's key of a team administers that team; the organisation's administer all."""

from __future__ import annotations

import pytest
from admin_calls import Admin
from running_gateway import Launch, Running


@pytest.fixture
async def red(gateway: Running) -> Admin:
    """Give an admin of team red."""
    return Admin(gateway, await gateway.key(scopes=("admin", "reports", "inference")))


async def test_own_keys(red: Admin) -> None:
    """A team's admin makes, sees, changes and ends keys of its own team."""
    key_id, _ = await red.make_key()
    assert {str(key["id"]) for key in (await red.call("GET", "/v1/keys")).data} >= {key_id}
    for method, path, body in (
        ("PATCH", f"/v1/keys/{key_id}", {"name": "other"}),
        ("POST", f"/v1/keys/{key_id}/rotate", None),
        ("PUT", f"/v1/budgets/key:{key_id}/1mo", {"limit_usd": 1}),
        ("GET", f"/v1/budgets?scope=key:{key_id}", None),
        ("GET", "/v1/teams/red", None),
        ("DELETE", f"/v1/keys/{key_id}", None),
    ):
        assert (path, (await red.call(method, path, body)).status) == (path, 200)
    assert [team["name"] for team in (await red.call("GET", "/v1/teams")).data] == ["red"]


async def test_other_teams_are_out_of_reach(gateway: Running, red: Admin) -> None:
    """What belongs to another team does not exist for it; what is the organisation's is forbidden."""
    blue_id, _ = await Admin(gateway).make_key(team="blue")
    blue, own = await Admin(gateway).team_id("blue"), await Admin(gateway).team_id("red")
    for method, path, body, status in (
        ("POST", "/v1/keys", {"team": "blue", "name": "x"}, 404),
        ("GET", f"/v1/keys/{blue_id}", None, 404),
        ("GET", "/v1/keys?team=blue", None, 404),
        ("PATCH", f"/v1/keys/{blue_id}", {"name": "x"}, 404),
        ("POST", f"/v1/keys/{blue_id}/rotate", None, 404),
        ("POST", f"/v1/keys/{blue_id}/block", None, 404),
        ("DELETE", f"/v1/keys/{blue_id}", None, 404),
        ("GET", "/v1/teams/blue", None, 404),
        ("GET", f"/v1/budgets?scope=team:{blue}", None, 404),
        ("PUT", f"/v1/budgets/key:{blue_id}/1mo", {"limit_usd": 1}, 404),
        ("PUT", f"/v1/budgets/team:{own}/1mo", {"limit_usd": 1}, 403),
        ("DELETE", f"/v1/budgets/team:{own}/1mo", None, 403),
        ("PATCH", "/v1/teams/red", {"rewrite": "rewrite-all"}, 403),
        ("DELETE", "/v1/teams/red", None, 403),
        ("POST", "/v1/teams", {"name": "green"}, 403),
        ("GET", "/v1/audit", None, 403),
    ):
        assert (method, path, (await red.call(method, path, body)).status) == (method, path, status)
    assert (await Admin(gateway).call("GET", f"/v1/keys/{blue_id}")).json["version"] == 1


async def test_no_more_than_it_has(gateway: Running, red: Admin) -> None:
    """A key cannot hand out a scope it lacks, nor take over a key that has one."""
    stronger, _ = await Admin(gateway).make_key(name="strong", scopes=["approval"])
    weaker, _ = await red.make_key(name="weak")
    for method, path, body in (
        ("POST", "/v1/keys", {"team": "red", "name": "x", "scopes": ["approval"]}),
        ("PATCH", f"/v1/keys/{weaker}", {"scopes": ["approval"]}),
        ("POST", f"/v1/keys/{stronger}/rotate", None),
    ):
        assert (path, (await red.call(method, path, body)).status) == (path, 403)


async def test_admin_teams(launch: Launch) -> None:
    """Keys of a team that is named an admin team administer all teams."""
    gateway = await launch(general_settings={"admin_teams": ["red"]})
    overall = Admin(gateway, await gateway.key(scopes=("admin",)))
    assert (await overall.call("PATCH", "/v1/teams/blue", {"time_zone": "Asia/Tokyo"})).status == 200
    assert (await overall.call("GET", "/v1/audit")).status == 200
    ordinary = Admin(gateway, await gateway.key(scopes=("inference",)))
    assert (await ordinary.call("GET", "/v1/teams")).status == 403


async def test_rotation_heeds_versions(gateway: Running) -> None:
    """Of two admins who rotate the same version of a key, the second is told to look again."""
    admin = Admin(gateway)
    key_id, _ = await admin.make_key()
    first = await admin.call("POST", f"/v1/keys/{key_id}/rotate", None, if_match='"1"')
    second = await admin.call("POST", f"/v1/keys/{key_id}/rotate", None, if_match='"1"')
    assert (first.status, second.status, second.param) == (200, 412, "if-match")


@pytest.mark.parametrize("name", ["..", ".", "../..", "a/b", "a\\b", "a\nb", "\u202ea", " a", "", "x" * 65])
async def test_names_refused(gateway: Running, name: str) -> None:
    """A name that could be taken for a path, or that cannot be seen, is refused."""
    for path, body in (("/v1/teams", {"name": name}), ("/v1/keys", {"team": "red", "name": name})):
        told = await Admin(gateway).call("POST", path, body)
        assert (told.status, told.param) == (400, "name")


async def test_models_must_exist(gateway: Running) -> None:
    """A key for a model that nobody deployed would refuse everything, so it is refused itself."""
    admin = Admin(gateway)
    key_id, _ = await admin.make_key(allowed_models=["glm-4.5"])
    for method, path, body in (
        ("POST", "/v1/keys", {"team": "red", "name": "x", "allowed_models": ["glm-4.6"]}),
        ("PATCH", f"/v1/keys/{key_id}", {"allowed_models": ["auto"]}),
    ):
        told = await admin.call(method, path, body)
        assert (told.status, told.param) == (400, "allowed_models")
