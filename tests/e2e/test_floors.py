from __future__ import annotations

import json
from pathlib import Path

from running_gateway import CRITICAL, OPUS, Launch

from gateway.upstreams.scripted import Scenario


async def test_fallen_floor_is_flagged(launch: Launch, tmp_path: Path) -> None:
    """Where the pack lets a floor fall, headers and record say that base served what a trigger held at premium."""
    (tmp_path / "lenient.yaml").write_text(
        "pack: lenient\nfallback: {floor_may_fall: true}\n", encoding="utf-8"
    )
    gateway = await launch(policy={"packs": ["small.yaml", "lenient.yaml"]})
    for _ in range(5):
        gateway.vendors.script(OPUS, Scenario(status=503))
    key = await gateway.key()

    _, headers, _ = await gateway.post(
        key, {"model": "auto", "messages": [{"role": "user", "content": CRITICAL}]}
    )
    _, _, raw = await gateway.get(key, f"/v1/decisions/{headers['x-gateway-decision-id']}")
    kept = json.loads(raw)

    assert (headers["x-gateway-tier"], headers["x-gateway-below-floor"]) == ("base", "true")
    assert kept["record"]["fell_below_floor"]
    assert kept["record"]["decision"]["tier"] == "premium"
    assert any("floor fall" in line for line in kept["explanation"]["why_not"])
