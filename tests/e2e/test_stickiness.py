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


GAIN_PACK = (
    "pack: gain\neconomy: {enabled: true, score: request.declared_impact, threshold: 0.55}\nsticky_turns: 1\n"
)
LONG = "The house style, in full. " * 12_000


async def test_cached_prompt_holds_a_session(launch: Launch, tmp_path: Path) -> None:
    """A conversation premium holds in its cache stays for a middling gain; without the cache it goes back."""
    (tmp_path / "gain.yaml").write_text(GAIN_PACK, encoding="utf-8")
    gateway = await launch(policy={"packs": ["small.yaml", "gain.yaml"]})
    key = await gateway.key(scopes=("inference", "attribution"))
    seen = []
    for session, marker in (("cached", {"cache_control": {"type": "ephemeral"}}), ("plain", {})):
        for ask in (CRITICAL, ROUTINE, CRITICAL):
            body = {
                "model": "auto",
                "max_tokens": 16,
                "system": [{"type": "text", "text": LONG, **marker}],
                "messages": [{"role": "user", "content": ask}],
            }
            named = {"x-session-id": session, "x-gateway-metadata": '{"impact": "medium"}'}
            status, headers, raw = await gateway.post(key, body, "/v1/messages", **named)
            assert status == 200, raw
            seen.append((headers["x-gateway-tier"], headers["x-gateway-reason"]))
            told = await gateway.get(key, f"/v1/decisions/{headers['x-gateway-decision-id']}")
            assert (b"a switch loses" in told[2]) is (session == "cached" and ask == ROUTINE)

    assert [tier for tier, _ in seen] == ["premium"] * 3 + ["premium", "base", "premium"]
    assert "cached tokens would be lost" in seen[1][1]
