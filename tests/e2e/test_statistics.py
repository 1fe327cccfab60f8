"""Statistics of escalating, and suggestions from outcomes."""

from __future__ import annotations

import json

import pytest
from running_gateway import CRITICAL, MASTER_KEY, ROUTINE, Running

from gateway.stores.workflows_base import STEPS

STATISTICS = "/v1/escalation/statistics"
Json = dict[str, object]


async def fetch(gateway: Running, key: str, path: str = STATISTICS) -> tuple[int, Json]:
    """Fetch a path; return status and body."""
    status, _, body = await gateway.get(key, path)
    decoded: Json = json.loads(body)
    return status, decoded


async def serve(gateway: Running, key: str, ask: str, verdict: str = "") -> None:
    """Have an ask answered, and say what became of it."""
    body = {"model": "auto", "messages": [{"role": "user", "content": ask}]}
    _, headers, _ = await gateway.post(key, body, x_session_id=ask)
    if verdict:
        said = {"decision_id": headers["x-gateway-decision-id"], "verdict": verdict}
        status, _, _ = await gateway.post(key, said, path="/v1/escalation/feedback")
        assert status == 200


async def test_statistics_of_a_team(gateway: Running, key: str) -> None:
    """Rates, money and precision are the team's own, and add up."""
    await serve(gateway, key, CRITICAL, "accepted")
    await serve(gateway, key, CRITICAL + "!", "wrong_tier")
    await serve(gateway, key, ROUTINE, "failed")
    await serve(gateway, key, ROUTINE + "!")
    await serve(gateway, await gateway.key("blue"), CRITICAL)

    status, found = await fetch(gateway, key)

    assert status == 200
    assert (found["requests"], found["premium_requests"], found["escalation_rate"]) == (4, 2, 0.5)
    assert (found["delivered_rate"], found["success_rate"], found["coverage"]) == (1.0, 0.75, 1.0)
    assert found["grounds"] == {"floor": 2, "default": 2}
    assert found["outcomes"] == {"accepted": 1, "failed": 1, "wrong_tier": 1}
    (trigger,) = found["triggers"]  # type: ignore[misc]
    assert trigger["trigger"] == "critical_security"
    assert (trigger["fired"], trigger["true_positives"], trigger["false_positives"]) == (2, 1, 1)
    assert (trigger["precision"]["sample"], found["validation_confidence"]["sample"]) == (2, 2)  # type: ignore[index]
    assert float(str(found["savings_usd"])) > 0
    assert found["steps"] == []


async def test_everyones_statistics(gateway: Running, key: str) -> None:
    """The master key sees all teams, or one it names; a team's key sees its own whatever it names."""
    await serve(gateway, key, CRITICAL)
    await serve(gateway, await gateway.key("blue"), ROUTINE)

    assert (await fetch(gateway, MASTER_KEY))[1]["requests"] == 2
    assert (await fetch(gateway, MASTER_KEY, f"{STATISTICS}?team=blue"))[1]["premium_requests"] == 0
    assert (await fetch(gateway, key, f"{STATISTICS}?team=blue"))[1]["premium_requests"] == 1


async def test_empty_window(gateway: Running, key: str) -> None:
    """Where nothing happened shares are null, not 0."""
    status, found = await fetch(gateway, key, f"{STATISTICS}?since=2020-01-01&until=2020-01-02")

    assert (status, found["requests"], found["escalation_rate"], found["roi"]) == (200, 0, None, None)
    assert found["cost_per_success_usd"] is None


async def test_steps_of_workflows(gateway: Running, key: str) -> None:
    """A carried-out task keeps its findings validated, and every step shows how long it took."""
    status, _, body = await gateway.post(key, {"description": CRITICAL}, path="/v1/escalation/submit")
    assert status == 202
    workflow = json.loads(body)["id"]
    _, done = await fetch(gateway, key, f"/v1/escalation/status/{workflow}?wait=20")
    (decided,) = [step for step in done["steps"] if step["name"] == "decide"]  # type: ignore[attr-defined]
    (assessment,) = decided["result"]["assessments"]
    assert (assessment["trigger"], assessment["verdict"]) == ("critical_security", "confirmed")

    _, found = await fetch(gateway, key)

    steps = found["steps"]
    assert isinstance(steps, list)
    assert {step["step"] for step in steps} == set(STEPS)
    assert all(0 <= step["p50_ms"] <= step["p95_ms"] <= step["max_ms"] and step["count"] for step in steps)


async def test_suggestions_rest_on_outcomes(gateway: Running, key: str) -> None:
    """What is suggested says on how many decisions it rests; without evidence nothing is suggested."""
    await serve(gateway, key, ROUTINE, "accepted")

    status, found = await fetch(gateway, key, "/v1/escalation/suggestions")

    assert (status, found) == (200, {"decisions": 1, "suggestions": []})


@pytest.mark.parametrize(
    "query", ["since=soon", "tz=Mars", "sinse=2026-01-01", "since=2026-02-01&until=2026-01-01"]
)
async def test_bad_windows(gateway: Running, key: str, query: str) -> None:
    """A window that cannot be meant is a 400."""
    assert (await fetch(gateway, key, f"{STATISTICS}?{query}"))[0] == 400
