"""Packs that a key carries, laid over its team's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from admin_calls import Admin
from running_gateway import CRITICAL, ROUTINE, Launch, Running

CAREFUL = """\
pack: careful
triggers:
  - {id: sorting, kind: k, reason: r, floor: premium, when: {signal: structure.ask_words, at_least: WORDS}}
"""
CHEAP = "pack: cheap\ndefault_tier: base\nsticky_turns: 2\n"
TEAM = "pack: ours\nsticky_turns: 5\nlocks: [sticky_turns]\n"


@pytest.fixture
async def gateway(launch: Launch, tmp_path: Path) -> Running:
    """Run a gateway that offers two packs to keys, and in which a team locks a setting."""
    for name, text in (("careful", CAREFUL.replace("WORDS", "2")), ("cheap", CHEAP), ("ours", TEAM)):
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "secret.yaml").write_text("pack: secret\n", encoding="utf-8")
    return await launch(
        policy={"packs": ["small.yaml"], "key_packs": ["careful.yaml", "cheap.yaml"]},
        teams=[{"name": "red"}, {"name": "blue", "packs": ["ours.yaml"]}],
    )


async def decided(gateway: Running, key: str, ask: str = ROUTINE) -> tuple[str, str, str]:
    """Return the tier an ask gets with a key, who decided, and how that is explained."""
    body = {"model": "auto", "messages": [{"role": "user", "content": ask}]}
    status, headers, raw = await gateway.post(key, body)
    assert status == 200, raw
    _, _, raw = await gateway.get(key, f"/v1/decisions/{headers['x-gateway-decision-id']}")
    told = json.loads(raw)
    return (
        headers["x-gateway-tier"],
        told["record"]["decision"]["decided_by"],
        told["explanation"]["sentence"],
    )


async def test_key_pack_decides(gateway: Running) -> None:
    """A key's pack rules its own requests, is named as what decided, and follows a change of the key."""
    admin = Admin(gateway)
    key_id, careful = await admin.make_key(packs=["careful.yaml"])
    tier, by, sentence = await decided(gateway, careful)
    assert (tier, by) == ("premium", "key/careful")
    assert "key/careful" in sentence
    assert (await decided(gateway, await gateway.key()))[0] == "base"

    changed = await admin.call("PATCH", f"/v1/keys/{key_id}", {"packs": []})
    assert (changed.status, changed.json["packs"]) == (200, [])
    assert (await decided(gateway, careful))[0] == "base"


async def test_floors_below_hold(gateway: Running) -> None:
    """A key's pack takes away nothing that lies below it."""
    _, cheap = await Admin(gateway).make_key(packs=["cheap.yaml"])
    assert (await decided(gateway, cheap, CRITICAL))[:2] == ("premium", "organisation/small")


@pytest.mark.parametrize(
    ("team", "packs", "problem"),
    [
        ("red", ["secret.yaml"], "no key may carry the pack `secret.yaml`"),
        ("red", ["../config.yaml"], "those that may: careful.yaml, cheap.yaml"),
        ("red", ["cheap.yaml", "cheap.yaml"], "each once"),
        ("red", ["x"] * 9, "length <= 8"),
        ("red", "cheap.yaml", "must be a list"),
        ("blue", ["cheap.yaml"], "`sticky_turns` is locked by pack `ours`"),
    ],
)
async def test_packs_that_cannot_be(gateway: Running, team: str, packs: object, problem: str) -> None:
    """Packs that are not offered, or that a lock below forbids, are refused when they are asked for."""
    admin = Admin(gateway)
    asked = {"team": team, "name": "ci", "packs": packs}
    refused = await admin.call("POST", "/v1/keys", asked)
    assert refused.status == 400, refused.text
    assert problem in refused.text
    if team == "red":
        key_id, _ = await admin.make_key()
        assert (await admin.call("PATCH", f"/v1/keys/{key_id}", {"packs": packs})).status == 400


async def test_reload_reaches_keys(gateway: Running) -> None:
    """A good edit of a key's pack rules from the next look on; a bad one leaves the last good in force."""
    _, key = await Admin(gateway).make_key(packs=["careful.yaml"])
    tiers = []
    for text in (
        CAREFUL.replace("WORDS", "2"),
        CAREFUL.replace("WORDS", "900"),
        "pack: careful\nrubbish: 1\n",
    ):
        (gateway.folder / "careful.yaml").write_text(text, encoding="utf-8")
        gateway.wiring.policies.reload()
        tiers.append((await decided(gateway, key))[0])
    assert tiers == ["premium", "base", "base"]
    assert "careful.yaml:2" in str(gateway.wiring.policies.last_error)


async def test_packs_offered_no_more(gateway: Running) -> None:
    """A key whose packs cannot be laid is refused, rather than judged without the floors they set."""
    key = await gateway.key(packs=("gone.yaml",))
    status, _, raw = await gateway.post(
        key, {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
    )
    assert (status, json.loads(raw)["error"]["code"]) == (503, "policy_unavailable")
    assert gateway.vendors.calls == []


@pytest.mark.parametrize(
    ("own", "served"),
    [(None, "glm-4.5"), ("rewrite-all", "claude-opus-4-1"), ("floor-only", "claude-opus-4-1")],
)
async def test_contract_of_a_key(gateway: Running, own: str | None, served: str) -> None:
    """A key's own contract goes before its team's."""
    _, key = await Admin(gateway).make_key(rewrite=own)
    body = {"model": "glm-4.5", "messages": [{"role": "user", "content": CRITICAL}]}
    _, headers, _ = await gateway.post(key, body)
    assert headers["x-gateway-model"] == served


QUALITY = "pack: doubting\nvalidation: {quality: {interval: 0.5, prior_weight: 1}}\n"


async def test_feedback_by_the_keys_rules(gateway: Running) -> None:
    """Feedback knows the triggers that ruled the request, whoever of the team gives it."""
    _, careful = await Admin(gateway).make_key(packs=["careful.yaml"])
    plain = await gateway.key()
    body = {"model": "auto", "messages": [{"role": "user", "content": ROUTINE}]}
    said = {"verdict": "failed", "trigger": "sorting"}
    answers = []
    for asking, telling in ((careful, plain), (plain, careful)):
        decision = (await gateway.post(asking, body))[1]["x-gateway-decision-id"]
        status, _, raw = await gateway.post(
            telling, {**said, "decision_id": decision}, "/v1/escalation/feedback"
        )
        answers.append((status, raw))

    assert [status for status, _ in answers] == [200, 400]
    assert b"no trigger is called `sorting`" in answers[1][1]


async def test_statistics_by_the_keys_rules(launch: Launch, tmp_path: Path) -> None:
    """A key that carries rules of quality reads statistics by them; others by their team's."""
    (tmp_path / "doubting.yaml").write_text(QUALITY, encoding="utf-8")
    gateway = await launch(policy={"packs": ["small.yaml"], "key_packs": ["doubting.yaml"]})
    _, doubting = await Admin(gateway).make_key(packs=["doubting.yaml"], scopes=["inference", "reports"])
    plain = await gateway.key()
    spans = []
    for key in (doubting, plain):
        status, _, raw = await gateway.get(key, "/v1/escalation/statistics")
        assert status == 200, raw
        known = json.loads(raw)["validation_confidence"]
        spans.append(known["high"] - known["low"])

    assert spans[0] != spans[1]
