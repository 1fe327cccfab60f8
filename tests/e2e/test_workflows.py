"""Tasks carried out durably, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise

import pytest
from running_gateway import CRITICAL, GLM, MASTER_KEY, OPUS, ROUTINE, Launch, Running

from gateway.upstreams.scripted import Scenario

Status = dict[str, object]


async def submit(gateway: Running, key: str, task: object, **headers: str) -> tuple[int, Status]:
    """Submit a task; return status and body."""
    status, _, body = await gateway.post(key, task, path="/v1/escalation/submit", **headers)
    return status, json.loads(body)


async def look(gateway: Running, key: str, workflow_id: object, query: str = "?wait=30") -> Status:
    """Return a workflow once it has ended."""
    status, _, body = await gateway.get(key, f"/v1/escalation/status/{workflow_id}{query}")
    assert status == 200, body
    found: Status = json.loads(body)
    return found


async def delete(gateway: Running, key: str, workflow_id: object) -> tuple[int, Status]:
    """Cancel a workflow."""
    headers = {"authorization": f"Bearer {key}"}
    url = f"{gateway.url}/v1/escalation/workflow/{workflow_id}"
    async with gateway.http.delete(url, headers=headers) as response:
        return response.status, await response.json()


def kinds(status: Status) -> list[str]:
    """Return the kinds of a workflow's events."""
    events = status["events"]
    assert isinstance(events, list)
    return [event["kind"] for event in events]


def step(status: Status, name: str) -> Mapping[str, object]:
    """Return one step of a workflow."""
    steps = status["steps"]
    assert isinstance(steps, list)
    return next(s for s in steps if s["name"] == name)


@pytest.mark.parametrize(("ask", "model"), [(CRITICAL, OPUS), (ROUTINE, GLM)])
async def test_six_steps(gateway: Running, key: str, ask: str, model: str) -> None:
    """A task goes through six timed steps, is answered by its tier, and costs what its request costs."""
    status, made = await submit(gateway, key, {"description": ask})
    assert (status, made["state"]) == (202, "pending")
    done = await look(gateway, key, made["id"])

    assert done["state"] == "completed", done
    steps = done["steps"]
    assert isinstance(steps, list)
    assert [(s["state"], s["attempts"]) for s in steps] == [("completed", 1)] * 6
    assert all(s["duration_ms"] >= 0 for s in steps)
    assert [call.model for call in gateway.vendors.calls] == [model]
    answer, cost = done["answer"], done["cost"]
    assert isinstance(answer, dict)
    assert isinstance(cost, dict)
    assert answer["choices"][0]["message"]["content"]
    (row,) = await gateway.rows()
    assert (row["status"], cost["calls"], cost["estimated"]) == ("ok", 1, False)
    assert float(cost["usd"]) * 1e9 == pytest.approx(row["cost_nano"])
    assert (kinds(done)[0], kinds(done)[-1]) == ("submitted", "completed")
    assert gateway.open_holds == 0


async def test_request_task(gateway: Running, key: str) -> None:
    """A chat body is carried out as it is, but never streamed."""
    body = {"model": "glm-4.5", "stream": True, "messages": [{"role": "user", "content": CRITICAL}]}
    _, made = await submit(gateway, key, {"request": body})
    done = await look(gateway, key, made["id"])

    assert done["state"] == "completed", done
    (call,) = gateway.vendors.calls
    assert (call.model, call.body.get("stream")) == (GLM, None)


async def test_idempotency_key(gateway: Running, key: str) -> None:
    """The same key with the same body is the same workflow, with another a conflict; teams do not meet."""
    task = {"description": ROUTINE}
    _, first = await submit(gateway, key, task, idempotency_key="once")
    status, again = await submit(gateway, key, task, idempotency_key="once")
    assert (status, again["id"]) == (202, first["id"])
    status, _ = await submit(gateway, key, {"description": CRITICAL}, idempotency_key="once")
    assert status == 409
    _, others = await submit(gateway, await gateway.key("blue"), task, idempotency_key="once")
    assert others["id"] != first["id"]
    assert (await look(gateway, key, first["id"]))["state"] == "completed"


async def test_other_teams_see_nothing(gateway: Running, key: str) -> None:
    """Another team's workflow does not exist, whatever is asked of it; an administrator sees it."""
    _, made = await submit(gateway, key, {"description": ROUTINE})
    other = await gateway.key("blue", scopes=("inference", "approval"))
    path = f"/v1/escalation/workflow/{made['id']}"
    assert (await gateway.get(other, f"/v1/escalation/status/{made['id']}"))[0] == 404
    assert (await delete(gateway, other, made["id"]))[0] == 404
    for verb in ("approve", "deny"):
        assert (await gateway.post(other, {"reason": "x"}, path=f"{path}/{verb}"))[0] == 404
    _, _, listed = await gateway.get(other, "/v1/escalation/workflows")
    assert json.loads(listed)["data"] == []
    assert (await gateway.get(MASTER_KEY, f"/v1/escalation/status/{made['id']}"))[0] == 200


async def test_cancel_ends_paid_call(gateway: Running, key: str) -> None:
    """Cancelling ends the call under way, books it, and cannot be done twice."""
    gateway.vendors.script(OPUS, Scenario(hang=True))
    _, made = await submit(gateway, key, {"description": CRITICAL})
    await gateway.vendors.wait_calls(1)
    status, cancelled = await delete(gateway, key, made["id"])
    await gateway.vendors.wait_disconnect(1.0)

    assert (status, cancelled["state"]) == (200, "cancelled")
    (row,) = await gateway.closed(1)
    assert (row["status"], row["estimated"]) == ("cancelled", 1)
    assert (await delete(gateway, key, made["id"]))[0] == 409
    assert (await look(gateway, key, made["id"]))["answer"] is None


async def test_long_poll_and_stream(gateway: Running, key: str) -> None:
    """A status can be waited for, and streamed until the end."""
    gateway.vendors.script(OPUS, Scenario(delay_first_ms=300))
    _, made = await submit(gateway, key, {"description": CRITICAL})
    early = await look(gateway, key, made["id"], "?wait=0.01")
    assert early["state"] in {"pending", "running"}
    _, headers, raw = await gateway.get(key, f"/v1/escalation/status/{made['id']}?stream=true")

    assert headers["content-type"] == "text/event-stream"
    shown = [json.loads(line[6:]) for line in raw.splitlines() if line.startswith(b"data: ")]
    assert shown[-1]["state"] == "completed"
    assert all(kinds(b)[: len(kinds(a))] == kinds(a) for a, b in pairwise(shown))


async def test_vendor_failure_is_tried_again(gateway: Running, key: str) -> None:
    """A vendor that fails for a while costs attempts, not the task; every attempt is booked."""
    gateway.vendors.script(OPUS, Scenario(fail_first=1))
    _, made = await submit(gateway, key, {"description": CRITICAL})
    done = await look(gateway, key, made["id"])

    assert (done["state"], step(done, "execute")["attempts"]) == ("completed", 2)
    assert [row["status"] for row in await gateway.rows()] == ["failed", "ok"]
    assert kinds(done).count("call_failed") == 1


async def test_refused_request_fails(gateway: Running, key: str) -> None:
    """What a vendor refuses for good is not tried again, and the status says why."""
    gateway.vendors.script(OPUS, Scenario(status=400))
    _, made = await submit(gateway, key, {"description": CRITICAL})
    done = await look(gateway, key, made["id"])

    error = done["error"]
    assert isinstance(error, dict)
    assert (done["state"], error["code"], error["status"]) == ("failed", "upstream_rejected", 400)
    assert (step(done, "execute")["state"], step(done, "validate")["state"]) == ("failed", "pending")
    assert len(gateway.vendors.calls) == 1


async def test_budget_stops_execution(gateway: Running) -> None:
    """A workflow cannot spend what its key may not: nothing is called, nothing stays reserved."""
    key = await gateway.key(budget_usd="0.0001")
    _, made = await submit(gateway, key, {"description": CRITICAL})
    done = await look(gateway, key, made["id"])

    error = done["error"]
    assert isinstance(error, dict)
    assert (done["state"], error["code"]) == ("failed", "budget_exceeded")
    assert (gateway.vendors.calls, gateway.open_holds) == ([], 0)


@pytest.mark.parametrize(
    ("task", "status", "param"),
    [
        ({}, 400, "description"),
        ({"description": "x", "files": {"a.bin": "\u0000\u0001"}}, 400, "files"),
        ({"description": "x", "diff": "\u0001\u0002\u0003"}, 400, "diff"),
        ({"description": "x" * 3_000_000}, 413, None),
        ({"description": "x", "colour": 1}, 400, "colour"),
        ({"request": {"model": "auto"}}, 400, "messages"),
        ({"request": {"model": "nobody", "messages": [{"role": "user", "content": "x"}]}}, 404, "model"),
        ({"description": "x", "webhook": "https://example.org"}, 400, "webhook"),
    ],
    ids="empty binary binary_diff oversized unknown_field no_messages unknown_model unsigned_webhook".split(),
)
async def test_bad_submissions(
    gateway: Running, key: str, task: object, status: int, param: str | None
) -> None:
    """What cannot be carried out is refused at once, and nothing is kept of it."""
    found, body = await submit(gateway, key, task)
    error = body["error"]
    assert isinstance(error, dict)
    assert (found, error["param"]) == (status, param), error
    _, _, listed = await gateway.get(key, "/v1/escalation/workflows")
    assert json.loads(listed)["data"] == []


async def test_unknown_ids(gateway: Running, key: str) -> None:
    """An id nobody was given is a 404."""
    for name in ("wf_0", "", "x" * 300, "%F0%9F%92%A9", "..%2f"):
        assert (await gateway.get(key, f"/v1/escalation/status/{name}"))[0] == 404
        assert (await delete(gateway, key, name))[0] == 404


async def test_listing(gateway: Running, key: str) -> None:
    """A team's workflows are listed newest first, a page at a time, by state."""
    made = [(await submit(gateway, key, {"description": ROUTINE}))[1]["id"] for _ in range(3)]
    for one in made:
        await look(gateway, key, one)
    _, _, raw = await gateway.get(key, "/v1/escalation/workflows?limit=2&state=completed")
    page = json.loads(raw)
    assert ([line["id"] for line in page["data"]], page["has_more"]) == (made[:0:-1], True)
    _, _, raw = await gateway.get(key, f"/v1/escalation/workflows?limit=2&after={page['last_id']}")
    assert [line["id"] for line in json.loads(raw)["data"]] == made[:1]


async def test_health_and_metrics(gateway: Running, key: str) -> None:
    """Health says whether the driver is loaded, which it is not before it is needed; events are counted."""
    _, _, raw = await gateway.get(key, "/v1/escalation/health")
    assert json.loads(raw)["driver"] == "asleep"
    _, made = await submit(gateway, key, {"description": ROUTINE})
    await look(gateway, key, made["id"])
    _, _, raw = await gateway.get(key, "/v1/escalation/health")
    health = json.loads(raw)
    assert (health["status"], health["driver"], health["states"]) == ("ok", "running", {"completed": 1})
    _, _, metrics = await gateway.get(MASTER_KEY, "/metrics")
    assert b'gateway_workflow_events_total{kind="completed",step=""} 1.0' in metrics


async def test_switched_off(launch: Launch) -> None:
    """A gateway without workflows says so."""
    gateway = await launch(workflows={"enabled": False})
    status, body = await submit(gateway, await gateway.key(), {"description": ROUTINE})
    assert status == 403
    assert "switched off" in str(body["error"])


async def test_priority_and_concurrency(launch: Launch) -> None:
    """No more run at a time than the settings allow, and the most urgent of those that wait goes first."""
    gateway = await launch(workflows={"concurrency": 1})
    key = await gateway.key()
    gateway.vendors.script(OPUS, Scenario(hang=True))
    _, first = await submit(gateway, key, {"description": CRITICAL})
    await gateway.vendors.wait_calls(1)
    made = [
        (await submit(gateway, key, {"description": f"{ROUTINE} {level}", "priority": level}))[1]["id"]
        for level in ("low", "normal", "high", "critical")
    ]
    gateway.vendors.script(OPUS, Scenario())
    waiting = await look(gateway, key, made[-1], "?wait=1")
    assert (waiting["state"], len(gateway.vendors.calls)) == ("pending", 1)
    await delete(gateway, key, first["id"])
    done = [await look(gateway, key, one) for one in made]
    started = {str(one["id"]): step(one, "detect")["started_ms"] for one in done}
    assert sorted(started, key=lambda one: int(str(started[one]))) == made[::-1]


async def test_revoked_key(launch: Launch) -> None:
    """A workflow ends unpaid when the key that submitted it is revoked before its turn comes."""
    gateway = await launch(workflows={"concurrency": 1})
    key, other = await gateway.key(), await gateway.key(name="doomed")
    gateway.vendors.script(OPUS, Scenario(hang=True))
    _, first = await submit(gateway, key, {"description": CRITICAL})
    await gateway.vendors.wait_calls(1)
    _, made = await submit(gateway, other, {"description": ROUTINE})
    (doomed,) = [k for k in await gateway.wiring.directory.list_keys() if k.name == "doomed"]
    await gateway.wiring.directory.revoke_key(doomed.id, actor="test")
    await delete(gateway, key, first["id"])
    done = await look(gateway, key, made["id"])

    assert (done["state"], len(gateway.vendors.calls)) == ("failed", 1)
    assert "revoked" in str(done["error"])
