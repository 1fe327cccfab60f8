"""The budget controller counts who answered, not who was meant to."""

from __future__ import annotations

import json
from pathlib import Path

from running_gateway import GLM, ROUTINE, Launch

from gateway.upstreams.scripted import Scenario

SHARE = "pack: share\neconomy: {enabled: true, score: request.declared_impact, threshold: 0.9, target_share: 0.2}\n"


async def test_fallbacks_use_the_share_up(launch: Launch, tmp_path: Path) -> None:
    """While base fails and premium answers for it, gain lets nobody else through."""
    (tmp_path / "share.yaml").write_text(SHARE, encoding="utf-8")
    gateway = await launch(
        policy={"packs": ["small.yaml", "share.yaml"]}, router_settings={"allowed_fails": 1_000}
    )
    gateway.vendors.script(GLM, Scenario(status=503))
    key = await gateway.key(scopes=("inference", "attribution"))
    body = {
        "model": "auto",
        "messages": [{"role": "user", "content": ROUTINE}],
        "metadata": {"impact": "low"},
    }

    for _ in range(25):
        _, headers, _ = await gateway.post(key, body)
        assert headers["x-gateway-tier"] == "premium"
    raw = (await gateway.get(key, f"/v1/decisions/{headers['x-gateway-decision-id']}"))[2]

    assert json.loads(raw)["record"]["decision"]["threshold"] > 1
