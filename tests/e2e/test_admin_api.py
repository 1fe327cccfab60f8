from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
from contextlib import closing

import jsonschema
import pytest
from admin_calls import Admin
from running_gateway import GLM, MASTER_KEY, ROUTINE, Json, Running

from gateway.openapi import plain_path
from gateway.routers import ROUTES
from gateway.upstreams.scripted import Scenario
from gateway.wiring import Guarded

BODY: Json = {"model": "glm-4.5", "messages": [{"role": "user", "content": ROUTINE}]}
STRANGE_MONEY = (
    "-1", "0", "NaN", "sNaN", "Infinity", "1e400", "1000000.01", "1e-999999999", "0.0000000001", "ten", "", True,
)  # fmt: skip
ADMIN_ROUTES = [route for route in ROUTES if isinstance(route, Guarded) and route.scope == "admin"]


@pytest.fixture
def admin(gateway: Running) -> Admin:
    """Give a client with the master key."""
    return Admin(gateway)


async def served(admin: Admin, *secrets: str) -> list[int]:
    """Return the status each secret gets for a small request."""
    return [(await admin.gateway.post(secret, BODY))[0] for secret in secrets]


async def test_life_of_a_team(admin: Admin) -> None:
    """A team is made, read by id and by name, changed, and gone for good once deleted."""
    made = await admin.call("POST", "/v1/teams", {"name": "green", "time_zone": "Asia/Tokyo"})
    path = f"/v1/teams/{made.json['id']}"
    assert (made.status, made.headers["etag"]) == (201, '"1"')
    changed = await admin.call("PATCH", path, {"name": "lime"}, if_match='"1"')
    assert (changed.status, changed.headers["etag"], changed.json["time_zone"]) == (200, '"2"', "Asia/Tokyo")
    assert (await admin.call("GET", "/v1/teams/lime")).json == changed.json
    gone = await admin.call("DELETE", path, if_match='"1", "2"')
    assert (gone.status, gone.json["deleted_ms"] is None) == (200, False)
    assert {(await admin.call(method, path)).status for method in ("GET", "DELETE")} == {404}


@pytest.mark.parametrize("tag", ['"7"', 'W/"1"', '"7", "8"'])
async def test_stale_version_is_refused(admin: Admin, tag: str) -> None:
    """Of two admins who edit at once, the second is told so and changes nothing."""
    before = await admin.call("GET", "/v1/teams/red")
    told = await admin.call("PATCH", "/v1/teams/red", {"name": "rose"}, if_match=tag)
    assert (told.status, told.param) == (412, "if-match")
    assert (await admin.call("GET", "/v1/teams/red")).json == before.json


@pytest.mark.parametrize("tag", ["1", '"one"', '"1', '""', '"1" "2"', "x" * 5000])
async def test_strange_version_is_refused(admin: Admin, tag: str) -> None:
    """An If-Match that names no version is no licence to change."""
    told = await admin.call("PATCH", "/v1/teams/red", {"name": "rose"}, if_match=tag)
    assert (told.status, told.param) == (400, "if-match")


async def test_life_of_a_key(admin: Admin) -> None:
    """A key's secret is told once; blocking, unblocking and revoking take hold and may be repeated."""
    key_id, secret = await admin.make_key(scopes=["inference"])
    assert await served(admin, secret) == [200]
    for verb, status in (("block", 401), ("block", 401), ("unblock", 200), ("unblock", 200)):
        assert (await admin.call("POST", f"/v1/keys/{key_id}/{verb}")).status == 200
        assert await served(admin, secret) == [status]
    ended = [await admin.call("DELETE", f"/v1/keys/{key_id}") for _ in range(2)]
    assert [told.status for told in ended] == [200, 200]
    assert ended[0].json == ended[1].json == (await admin.call("GET", f"/v1/keys/{key_id}")).json
    assert await served(admin, secret) == [401]
    assert (await admin.call("PATCH", f"/v1/keys/{key_id}", {"name": "x"})).status == 409


async def test_key_takes_other_rights(admin: Admin) -> None:
    """Scopes, models and expiry change by PATCH, and null lifts a restriction."""
    key_id, secret = await admin.make_key(allowed_models=["claude-opus-4-1"])
    assert await served(admin, secret) == [404]
    path = f"/v1/keys/{key_id}"
    changed = await admin.call("PATCH", path, {"allowed_models": None, "expires_ms": 4_000_000_000_000})
    assert (changed.headers["etag"], changed.json["allowed_models"]) == ('"2"', None)
    assert await served(admin, secret) == [200]
    await admin.call("PATCH", path, {"scopes": ["reports"]})
    assert await served(admin, secret) == [403]


async def test_rotation(admin: Admin) -> None:
    """The old secret goes on for the overlap that was asked for, by default not at all."""
    key_id, first = await admin.make_key()
    told = await admin.call("POST", f"/v1/keys/{key_id}/rotate", {"overlap_seconds": 3600})
    second = str(told.json["secret"])
    assert await served(admin, first, second) == [200, 200]
    third = str((await admin.call("POST", f"/v1/keys/{key_id}/rotate")).json["secret"])
    assert await served(admin, first, second, third) == [401, 401, 200]


async def test_budget_shows_spending(admin: Admin) -> None:
    """A budget is set by scope and period, shows what was spent to the last digit, and can be lifted."""
    key_id, secret = await admin.make_key()
    path = f"/v1/budgets/key:{key_id}/1d"
    body = {"limit_usd": "1.50"}
    first, again = [await admin.call("PUT", path, body) for _ in range(2)]
    assert (first.status, first.json["limit_usd"], first.json["spent_usd"]) == (
        200, "1.500000000", "0.000000000"
    )  # fmt: skip
    assert again.json == first.json
    await served(admin, secret)
    (row,) = await admin.gateway.rows()
    shown = (await admin.call("GET", path)).json
    assert int(str(shown["spent_usd"]).replace(".", "")) == row["cost_nano"] > 0
    assert (await admin.call("GET", f"/v1/budgets?scope=key:{key_id}")).data == [shown]
    assert [(await admin.call("DELETE", path)).status for _ in range(2)] == [204, 404]
    acts = [act["act"] for act in (await admin.call("GET", "/v1/audit")).data]
    assert (acts.count("budget.set"), acts.count("budget.remove")) == (1, 1)


async def test_budget_holds(admin: Admin) -> None:
    """A limit set over HTTP binds the next request."""
    _, secret = await admin.make_key(budgets=[{"limit_usd": 0.000000001, "period": "1w"}])
    assert await served(admin, secret) == [429]


async def test_strange_money_is_refused(admin: Admin) -> None:
    """Negative, huge, too fine and non-finite money is refused wherever money can be given."""
    path = f"/v1/budgets/team:{await admin.team_id()}/1mo"
    for amount in STRANGE_MONEY:
        put = await admin.call("PUT", path, {"limit_usd": amount})
        body = {"team": "red", "name": "k", "budgets": [{"limit_usd": amount}]}
        made = await admin.call("POST", "/v1/keys", body)
        assert (amount, put.status, put.param) == (amount, 400, "limit_usd")
        assert (amount, made.status, made.param) == (amount, 400, "budgets[0].limit_usd")
    assert (await admin.call("GET", path)).status == 404


BAD: list[tuple[str, str, object, int, str | None]] = [
    ("POST", "/v1/teams", b"", 400, None),
    ("POST", "/v1/teams", b"name=x", 400, None),
    ("POST", "/v1/teams", b"[]", 400, None),
    ("POST", "/v1/teams", b'{"name": "\xff"}', 400, None),
    ("POST", "/v1/teams", b"[" * 100_000, 400, None),
    ("POST", "/v1/teams", b'{"name": "' + b"x" * 300_000 + b'"}', 400, None),
    ("POST", "/v1/teams", {}, 400, "name"),
    ("POST", "/v1/teams", {"name": 5}, 400, "name"),
    ("POST", "/v1/teams", {"name": "x" * 65}, 400, "name"),
    ("POST", "/v1/teams", {"name": "a\u0000b"}, 400, "name"),
    ("POST", "/v1/teams", {"name": "red"}, 409, "name"),
    ("POST", "/v1/teams", {"name": "x", "timezone": "UTC"}, 400, "timezone"),
    ("POST", "/v1/teams", {"name": "x", "time_zone": "Mars/Olympus"}, 400, "time_zone"),
    ("POST", "/v1/teams", {"name": "x", "time_zone": "../etc/passwd"}, 400, "time_zone"),
    ("POST", "/v1/teams", {"name": "x", "baseline": "cheap"}, 400, "baseline"),
    ("PATCH", "/v1/teams/red", {"rewrite": None}, 400, "rewrite"),
    ("PATCH", "/v1/teams/red", {"id": "team_1"}, 400, "id"),
    ("PATCH", "/v1/teams/red", {"name": "blue"}, 409, "name"),
    ("PATCH", "/v1/teams/none", {"name": "x"}, 404, None),
    ("GET", "/v1/teams?limit=0", None, 400, "limit"),
    ("GET", "/v1/teams?limit=101", None, 400, "limit"),
    ("GET", "/v1/teams?limit=ten", None, 400, "limit"),
    ("GET", "/v1/teams?limit=1&limit=2", None, 400, "limit"),
    ("GET", "/v1/teams?after=%00", None, 400, "after"),
    ("GET", "/v1/teams?afer=x", None, 400, "afer"),
    ("GET", "/v1/teams/%00", None, 404, None),
    ("GET", "/v1/keys?team=none", None, 404, None),
    ("GET", "/v1/keys/" + "x" * 5000, None, 404, None),
    ("POST", "/v1/keys", {"team": "none", "name": "x"}, 404, None),
    ("POST", "/v1/keys", {"team": "red"}, 400, "name"),
    ("POST", "/v1/keys", {"team": "red", "name": "x", "scopes": []}, 400, "scopes"),
    ("POST", "/v1/keys", {"team": "red", "name": "x", "scopes": ["root"]}, 400, "scopes[0]"),
    ("POST", "/v1/keys", {"team": "red", "name": "x", "expires_ms": 1}, 400, "expires_ms"),
    ("POST", "/v1/keys", {"team": "red", "name": "x", "expires_ms": 2**70}, 400, "expires_ms"),
    ("POST", "/v1/keys", {"team": "red", "name": "x", "allowed_models": [""]}, 400, "allowed_models"),
    ("POST", "/v1/keys", {"team": "red", "name": "x", "secret": "mine"}, 400, "secret"),
    ("POST", "/v1/keys", {"team": "red", "name": "x", "budgets": [{}]}, 400, "budgets[0].limit_usd"),
    (
        "POST", "/v1/keys",
        {"team": "red", "name": "x", "budgets": [{"limit_usd": 1, "period": "1y"}]},
        400, "budgets[0].period",
    ),
    ("POST", "/v1/keys/none/rotate", {"overlap_seconds": 604_801}, 400, "overlap_seconds"),
    ("POST", "/v1/keys/none/rotate", {"overlap_seconds": -1}, 400, "overlap_seconds"),
    ("POST", "/v1/keys/none/rotate", {}, 404, None),
    ("POST", "/v1/keys/none/block", None, 404, None),
    ("PUT", "/v1/budgets/team:none/1mo", {"limit_usd": 1}, 404, None),
    ("PUT", "/v1/budgets/planet:earth/1mo", {"limit_usd": 1}, 400, "scope"),
    ("PUT", "/v1/budgets/team:none/1y", {"limit_usd": 1}, 400, "period"),
    ("GET", "/v1/budgets/team:none/1mo", None, 404, None),
    ("GET", "/v1/audit?limit=1e9", None, 400, "limit"),
]  # fmt: skip


async def test_bad_requests(admin: Admin) -> None:
    """Every mistake is refused by its name, and nothing is changed by it."""
    for method, path, body, status, param in BAD:
        told = await admin.call(method, path, body)
        assert (method, path, told.status, told.param) == (method, path, status, param)
    assert {act["actor"] for act in (await admin.call("GET", "/v1/audit")).data} == {"config"}


async def test_nearest_name_is_offered(admin: Admin) -> None:
    """A field that is misspelt is answered with the one that was meant."""
    told = await admin.call("PATCH", "/v1/teams/red", {"timezone": "UTC"})
    asked = await admin.call("GET", "/v1/keys?limt=5")
    assert "did you mean `time_zone`?" in told.text
    assert "did you mean `limit`?" in asked.text


async def test_pages_of_teams(admin: Admin) -> None:
    """A list is walked page by page by the id of the last record."""
    for number in range(5):
        await admin.call("POST", "/v1/teams", {"name": f"team {number}"})
    seen, after = [], ""
    while True:
        page = await admin.call("GET", f"/v1/teams?limit=3{after}")
        seen += [str(team["name"]) for team in page.data]
        after = f"&after={page.json['last_id']}"
        if not page.json["has_more"]:
            break
    assert sorted(seen) == ["blue", "red", *(f"team {n}" for n in range(5))]


async def test_audit_names_who(admin: Admin) -> None:
    """Each act stands in the trail with the key that did it, and with the old and the new value."""
    key_id, secret = await admin.make_key(scopes=["admin"])
    (own,) = (await Admin(admin.gateway, secret).call("GET", "/v1/keys")).data
    await Admin(admin.gateway, secret).call("PATCH", f"/v1/keys/{own['id']}", {"name": "renamed"})
    acts = {str(act["act"]): act for act in (await admin.call("GET", "/v1/audit")).data}
    assert (acts["key.create"]["actor"], acts["key.create"]["object_id"]) == ("master", key_id)
    assert acts["key.update"]["actor"] == key_id
    assert acts["key.update"]["detail"] == {"name": ["ci", "renamed"]}


async def test_admin_scope_is_needed(gateway: Running) -> None:
    """A key that is no admin's reaches none of it."""
    visitor = Admin(gateway, await gateway.key(scopes=("inference", "reports", "attribution")))
    assert len(ADMIN_ROUTES) >= 18
    for route in ADMIN_ROUTES:
        path = plain_path(route.path).replace("{", "").replace("}", "")
        told = await visitor.call(route.method, path, {} if route.body else None)
        assert (route.path, told.status) == (route.path, 403)
        assert json.loads(told.text)["error"]["type"] == "permission_error"


async def test_answers_fit_openapi(admin: Admin) -> None:
    """Every answer has the shape that /openapi.json declares for it, and declares no more than it has."""
    document = (await admin.call("GET", "/openapi.json")).json
    key_id, team_id = (await admin.make_key())[0], await admin.team_id()
    await admin.call("PUT", f"/v1/budgets/team:{team_id}/1mo", {"limit_usd": 1})
    names = {"{team}": team_id, "{id}": key_id, "{scope}": f"team:{team_id}", "{period}": "1mo"}
    shown = [
        route
        for route in ROUTES
        if isinstance(route, Guarded)
        and route.method == "GET"
        and route.answer
        and route.path.partition("{")[2].partition("}")[0] in {"", "team", "id", "scope"}
        and not route.path.startswith("/v1/models/")
    ]
    for route in shown:
        declared = path = plain_path(route.path)
        for name, value in names.items():
            path = path.replace(name, value)
        told = await admin.call("GET", f"{path}?start_time=0" if "organization" in path else path)
        schema = document["paths"][declared]["get"]["responses"]["200"]["content"]["application/json"][
            "schema"
        ]  # type: ignore[index]
        jsonschema.validate(told.json, {**schema, "components": document["components"]})
        assert (route.path, told.status) == (route.path, 200)
    assert len(shown) >= 9


async def test_no_secret_comes_back(admin: Admin) -> None:
    """No answer but the one that made it holds a secret, and none a hash or the pepper."""
    key_id, first = await admin.make_key(name="first")
    told = await admin.call("POST", f"/v1/keys/{key_id}/rotate", {"overlap_seconds": 60})
    heard = ""
    for path in ("/v1/keys", f"/v1/keys/{key_id}", "/v1/audit", "/v1/teams", "/v1/budgets", "/openapi.json"):
        heard += (await admin.call("GET", path)).text
    heard += (await admin.call("POST", "/v1/keys", {"team": "red", "name": "first"})).text
    heard += (await admin.call("DELETE", f"/v1/keys/{key_id}")).text
    with closing(sqlite3.connect(admin.gateway.folder / "books.db")) as database:
        hashes = [row[0] for row in database.execute("SELECT key_hash FROM keys")]
        pepper = database.execute("SELECT value FROM meta").fetchone()[0]
    secrets = [first, str(told.json["secret"]), MASTER_KEY, pepper, *hashes]
    secrets += [hashlib.sha256(secret.encode()).hexdigest() for secret in secrets[:3]]
    assert [secret for secret in secrets if secret in heard] == []


async def test_team_deleted_in_flight(admin: Admin) -> None:
    """A request under way when its team is deleted is served to its end and booked; the next is refused."""
    gateway, team_id = admin.gateway, await admin.team_id()
    _, secret = await admin.make_key(budgets=[{"limit_usd": "5"}])
    gateway.vendors.script(GLM, Scenario(events=40, delay_event_ms=10))
    task = asyncio.create_task(gateway.post(secret, BODY | {"stream": True}))
    await gateway.vendors.wait_calls(1, events=5)
    assert (await admin.call("DELETE", "/v1/teams/red")).status == 200
    status, _, body = await task
    (row,) = await gateway.closed(1)
    assert (status, body.endswith(b"data: [DONE]\n\n"), row["status"]) == (200, True, "ok")
    assert (row["team_id"], gateway.open_holds) == (team_id, 0)
    assert await served(admin, secret) == [401]
    costs = await admin.call("GET", f"/v1/organization/costs?start_time=1700000000&project_ids={team_id}")
    assert costs.status == 200
