"""Feedback, and the signs noticed without it."""

from __future__ import annotations

import json
from pathlib import Path

from running_gateway import CRITICAL, GLM, MASTER_KEY, ROUTINE, Launch, Running

from gateway.upstreams.scripted import Scenario

FEEDBACK = "/v1/escalation/feedback"


async def ask(gateway: Running, key: str, text: str = ROUTINE, **body: object) -> str:
    """Have a request answered; return its decision's id."""
    message = {"model": "auto", "messages": [{"role": "user", "content": text}], **body}
    status, headers, _ = await gateway.post(key, message, x_session_id="talk")
    assert status == 200
    return headers["x-gateway-decision-id"]


async def say(gateway: Running, key: str, **said: object) -> tuple[int, dict[str, object]]:
    """Give feedback; return status and body."""
    status, _, body = await gateway.post(key, said, path=FEEDBACK)
    decoded: dict[str, object] = json.loads(body)
    return status, decoded


async def labels(gateway: Running) -> list[tuple[object, object, object]]:
    """Return every outcome's decision, label and tier."""
    return [(row["decision_id"], row["label"], row["tier"]) for row in await gateway.rows("outcomes")]


async def test_feedback_is_idempotent(gateway: Running, key: str) -> None:
    """The same said twice is written once; a change of mind is written beside it and counts."""
    decision = await ask(gateway, key, CRITICAL)

    first = await say(gateway, key, decision_id=decision, verdict="accepted")
    again = await say(gateway, key, decision_id=decision, verdict="accepted")
    changed = await say(gateway, key, decision_id=decision, verdict="wrong_tier", comment="base would do\0")

    assert first == (200, {
        "decision_id": decision, "verdict": "accepted", "tier": "premium", "premium_needed": True,
        "trigger": "", "repeated": False,
    })  # fmt: skip
    assert again == (200, {**first[1], "repeated": True})
    assert (changed[1]["premium_needed"], changed[1]["repeated"]) == (False, False)
    assert await labels(gateway) == [(decision, "accepted", "premium"), (decision, "wrong_tier", "premium")]


async def test_missed_trigger_is_named(gateway: Running, key: str) -> None:
    """Work that went to base and should not have names the trigger that was silent."""
    decision = await ask(gateway, key)

    status, noted = await say(
        gateway, key, decision_id=decision, verdict="wrong_tier", trigger="critical_security"
    )

    assert (status, noted["premium_needed"], noted["trigger"]) == (200, True, "critical_security")


async def test_feedback_on_others_decisions(gateway: Running, key: str) -> None:
    """A team's decisions do not exist for other teams; the master key may speak of all."""
    decision = await ask(gateway, key)
    stranger = await gateway.key("blue")

    status, _ = await say(gateway, stranger, decision_id=decision, verdict="accepted")
    assert status == 404
    assert await labels(gateway) == []
    assert (await say(gateway, MASTER_KEY, decision_id=decision, verdict="accepted"))[0] == 200


BAD: tuple[tuple[dict[str, object], int, str | None], ...] = (
    ({"decision_id": "dec_0", "verdict": "accepted"}, 404, None),
    ({"decision_id": "dec_0", "verdict": "great"}, 400, "verdict"),
    ({"decision_id": "", "verdict": "accepted"}, 400, "decision_id"),
    ({"decision_id": "d" * 65, "verdict": "accepted"}, 400, "decision_id"),
    ({"decision_id": "dec_0", "verdict": "failed", "comment": "x" * 2_001}, 400, "comment"),
    ({"verdict": "failed", "trigger": "critical_securty"}, 400, "trigger"),
    ({"decision_id": "\0", "verdict": "failed"}, 404, None),
)


async def test_bad_feedback(gateway: Running, key: str) -> None:
    """What cannot be taken down is a 4xx that names the field."""
    known = {"decision_id": await ask(gateway, key)}
    for said, status, param in BAD:
        found, body = await say(gateway, key, **known | said)
        error = body["error"]
        assert isinstance(error, dict)
        assert (found, error["param"]) == (status, param), said


async def test_signs_of_discontent(gateway: Running, key: str) -> None:
    """Sending the same again, or asking for premium by hand, marks the answer before."""
    first = await ask(gateway, key)
    second = await ask(gateway, key)
    await ask(gateway, key, model="claude-opus-4-1")

    found = await labels(gateway)

    assert sorted(found) == sorted([
        (first, "regenerate", "base"), (second, "regenerate", "base"), (second, "manual_upgrade", "base"),
    ])  # fmt: skip


async def test_failed_check_is_an_outcome(launch: Launch, tmp_path: Path) -> None:
    """A base answer that failed its check is known to have needed premium, without anyone saying so."""
    (tmp_path / "checked.yaml").write_text("pack: checked\nanswer_checks: {enabled: [empty_or_looping]}\n")
    gateway = await launch(policy={"packs": ["small.yaml", "checked.yaml"]})
    gateway.vendors.script(GLM, Scenario(content=" "))

    decision = await ask(gateway, await gateway.key())

    assert await labels(gateway) == [(decision, "check_failed", "base")]
