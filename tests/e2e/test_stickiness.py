from __future__ import annotations

from pathlib import Path

from running_gateway import CRITICAL, ROUTINE, Launch


async def test_escalated_session_stays(launch: Launch, tmp_path: Path) -> None:
    """A session that escalated stays for the pack's turns, then goes its way; others are not held."""
    (tmp_path / "sticky.yaml").write_text("pack: sticky\nsticky_turns: 3\n", encoding="utf-8")
    gateway = await launch(policy={"packs": ["small.yaml", "sticky.yaml"]})
    key = await gateway.key()
    tiers = []
    for session, ask in (
        ("a", ROUTINE),
        ("a", CRITICAL),
        ("a", ROUTINE),
        ("b", ROUTINE),
        ("a", ROUTINE),
        ("a", ROUTINE),
    ):
        body = {"model": "auto", "messages": [{"role": "user", "content": ask}]}
        _, headers, _ = await gateway.post(key, body, **{"x-session-id": session})
        tiers.append(headers["x-gateway-tier"])

    assert tiers == ["base", "premium", "premium", "base", "premium", "base"]
