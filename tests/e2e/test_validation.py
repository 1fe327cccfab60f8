"""Findings validated over HTTP, and candidate policies tried on what was decided."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from running_gateway import CRITICAL, MASTER_KEY, PACK, ROUTINE, Launch, Running

VALIDATE = "/v1/escalation/validate"
STRICT = """\
data_classes: [{name: public}, {name: secret, providers: [zai]}]
validation: {business: {teams: [red]}}
"""
LAX = "pack: lax\ntriggers: [{id: critical_security, disabled: true}]\n"
Json = dict[str, object]


async def told(gateway: Running, key: str, asked: object) -> tuple[int, Json]:
    """Ask for a validation; return status and body."""
    status, _, body = await gateway.post(key, asked, path=VALIDATE)
    decoded: Json = json.loads(body)
    return status, decoded


async def serve(gateway: Running, key: str, *asks: str) -> list[str]:
    """Have asks answered; return their decisions' ids."""
    found = []
    for ask in asks:
        body = {"model": "auto", "messages": [{"role": "user", "content": ask}]}
        status, headers, _ = await gateway.post(key, body)
        assert status == 200
        found.append(headers["x-gateway-decision-id"])
    return found


@pytest.fixture
async def strict(launch: Launch, tmp_path: Path) -> Running:
    """Give a gateway whose pack has rules for validation."""
    (tmp_path / "strict_rules.yaml").write_text("pack: rules\n" + STRICT)
    return await launch(policy={"packs": ["small.yaml", "strict_rules.yaml"]})


@pytest.mark.parametrize(
    ("team", "data_class", "verdict", "because"),
    [
        ("red", "public", "confirmed", "no dimension objects"),
        (
            "red",
            "secret",
            "rejected",
            "security: claude-opus-4-1 may not receive data of class secret (declared)",
        ),
        ("blue", "public", "rejected", "business: team `blue` may not escalate"),
    ],
)
async def test_findings_are_validated(
    strict: Running, team: str, data_class: str, verdict: str, because: str
) -> None:
    """A finding comes back with five verdicts, what they come to, and why."""
    metadata = {"data_class": data_class}
    body = {"model": "auto", "messages": [{"role": "user", "content": CRITICAL}], "metadata": metadata}
    for task in ({"request": body}, {"description": CRITICAL, "metadata": metadata}):
        status, found = await told(strict, await strict.key(team), task)

        assert status == 200
        (assessment,) = found["assessments"]  # type: ignore[misc]
        assert (assessment["trigger"], assessment["verdict"]) == ("critical_security", verdict)
        assert assessment["because"] == because
        assert [c["dimension"] for c in assessment["checks"]] == [
            "business", "technical", "cost_benefit", "quality", "security"
        ]  # fmt: skip


async def test_routine_work_has_nothing_to_validate(gateway: Running, key: str) -> None:
    """Without findings the list is empty, not null."""
    assert (await told(gateway, key, {"description": ROUTINE}))[1]["assessments"] == []


async def test_precision_is_the_teams_own(gateway: Running, key: str) -> None:
    """What a team says of its decisions becomes the trigger's confidence, for that team."""
    (decision,) = await serve(gateway, key, CRITICAL)
    await gateway.post(key, {"decision_id": decision, "verdict": "accepted"}, path="/v1/escalation/feedback")
    await gateway.rows("outcomes")

    samples = []
    for caller in (key, await gateway.key("blue")):
        _, found = await told(gateway, caller, {"description": CRITICAL})
        (assessment,) = found["assessments"]  # type: ignore[misc]
        samples.append(assessment["confidence"]["sample"])

    assert samples == [1, 0]


async def test_back_test_of_a_text(gateway: Running, key: str) -> None:
    """A pack's text laid over the ruling packs says which of the team's decisions would change."""
    await serve(gateway, key, CRITICAL, ROUTINE)
    await serve(gateway, await gateway.key("blue"), CRITICAL)

    status, found = await told(gateway, key, {"policy": {"text": LAX}})

    assert (status, found["assessments"]) == (200, None)
    tried = found["back_test"]
    assert isinstance(tried, dict)
    assert (tried["decisions"], tried["changed"]) == (2, 1)
    assert [(m["team"], m["from_tier"], m["to_tier"]) for m in tried["moves"]] == [("red", "premium", "base")]
    assert tried["cost_change_usd"].startswith("-0.")


async def test_back_tests_take_turns(gateway: Running, key: str) -> None:
    """One back-test runs at a time, over all teams for the master key; requests are served meanwhile."""
    for team in ("red", "blue"):
        await serve(gateway, await gateway.key(team), CRITICAL)
    asked = {"policy": {"packs": ["frugal"]}, "window": {"since": "2020-01-01"}}
    first = asyncio.create_task(told(gateway, MASTER_KEY, asked))
    while not gateway.wiring.back_tests.busy:  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0)

    status, refused = await told(gateway, key, {"policy": {"packs": ["frugal"]}})
    await serve(gateway, key, ROUTINE)

    assert (status, refused["error"]["code"]) == (503, "overloaded")  # type: ignore[index]
    _, found = await first
    moves = found["back_test"]["moves"]  # type: ignore[index]
    assert [(m["team"], m["to_tier"]) for m in moves] == [("blue", "base"), ("red", "base")]


BAD: tuple[tuple[Json, str], ...] = (
    ({}, "description"),
    ({"policy": {}, "description": "x"}, "policy"),
    ({"policy": {"packs": ["../config"]}}, "policy.packs"),
    ({"policy": {"packs": ["config.yaml"]}}, "policy.packs"),
    ({"policy": {"text": "pack: [1"}}, "policy"),
    ({"policy": {"pack": []}}, "policy.pack"),
    ({"policy": {}, "window": {"since": "soon"}}, "since"),
    ({"policy": {}, "window": {"time_zone": "Mars"}}, "tz"),
    ({"policy": {"text": "x" * 1_000_001}}, "policy.text"),
)


async def test_bad_questions(gateway: Running, key: str) -> None:
    """What cannot be asked is a 400 that names the field; no file outside the packs is read."""
    for asked, param in BAD:
        found, body = await told(gateway, key, asked)
        error = body["error"]
        assert isinstance(error, dict)
        assert (found, error["param"]) == (400, param), error


async def test_recorded_decisions_need_a_scope(gateway: Running) -> None:
    """A key that may only infer tries no policy on what was decided."""
    key = await gateway.key(scopes=("inference",))

    assert (await told(gateway, key, {"policy": {"text": PACK}}))[0] == 403
    assert (await told(gateway, key, {"description": CRITICAL}))[0] == 200
