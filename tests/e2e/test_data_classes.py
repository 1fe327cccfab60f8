from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from running_gateway import ROUTINE, Json, Launch, Running

from gateway.decision_log import DecisionRecord
from gateway.replay import replay

SECRET = "postgres://app:tR9-qweP@db.internal/shop"
PERSON = "anna.schmidt@firma.de"
PACK = """\
pack: guarded
data_classes:
  - {name: personal, found: [personal], providers: [anthropic], waived_by: [synthetic]}
  - {name: secret, found: [secrets], providers: []}
  - {name: synthetic}
triggers:
  - id: production
    kind: business
    reason: production work
    floor: premium
    when: {signal: declared.environment.prod, at_least: 1}
  - id: tangled
    kind: complexity
    reason: tangled code
    floor: premium
    when: {signal: context.cyclomatic_max, at_least: 8}
"""
TANGLED = "def f(a):\n" + "".join(f"    if a == {n}:\n        return {n}\n" for n in range(12))


@pytest.fixture
async def gateway(launch: Launch, tmp_path: Path) -> Running:
    """Give a gateway that guards data."""
    (tmp_path / "guarded.yaml").write_text(PACK, encoding="utf-8")
    return await launch(policy={"packs": ["small.yaml", "guarded.yaml"]})


def chat(text: str, **more: object) -> Json:
    """Return a request whose system prompt, not its ask, holds `text`."""
    messages = [{"role": "system", "content": text}, {"role": "user", "content": ROUTINE}]
    return {"model": "auto", "messages": messages, **more}


def assert_replays(gateway: Running, raw: bytes) -> None:
    """Check that the record alone leads to the same verdict, guard and all."""
    record = msgspec.json.decode(msgspec.json.encode(json.loads(raw)["record"]), type=DecisionRecord)

    again = replay(record, gateway.wiring.policies.for_team("red")).decision

    assert (again.tier, again.reason, again.candidates) == (
        record.decision.tier,
        record.decision.reason,
        record.decision.candidates,
    )
    assert again.data_classes == record.decision.data_classes
    assert again.dropped == record.decision.dropped


async def test_secret_stays(gateway: Running, key: str) -> None:
    """A secret anywhere in the body is refused, and appears in no answer, header, row or vendor's call."""
    status, headers, raw = await gateway.post(key, chat(f"connect to {SECRET}"))

    assert status == 403
    assert b"class secret (1 connection_string)" in raw
    assert "may not receive data of class" in headers["x-gateway-reason"]
    assert not gateway.vendors.calls
    assert "tR9-qweP" not in raw.decode() + str(headers)


async def test_personal_goes_to_one(gateway: Running, key: str) -> None:
    """Personal data reach only the provider that may receive them; the record tells kinds and places."""
    status, headers, _ = await gateway.post(key, chat(f"she is {PERSON}"))
    _, _, raw = await gateway.get(key, f"/v1/decisions/{headers['x-gateway-decision-id']}")
    record = json.loads(raw)["record"]

    assert (status, headers["x-gateway-tier"]) == (200, "premium")
    assert record["features"]["data"]["counts"] == [["email", 1]]
    assert record["features"]["data"]["sightings"][0]["where"] == "messages[0]"
    assert PERSON not in raw.decode()
    assert_replays(gateway, raw)


async def test_large_body(gateway: Running, key: str) -> None:
    """A body too large for the event loop is searched as well."""
    status, _, _ = await gateway.post(key, chat("lorem ipsum " * 20_000 + SECRET))

    assert status == 403


@pytest.mark.parametrize(
    ("scopes", "tier"), [(("inference",), "base"), (("inference", "attribution"), "premium")]
)
async def test_declared_needs_a_right(gateway: Running, scopes: tuple[str, ...], tier: str) -> None:
    """Only a key with the right is believed what it declares of the work."""
    key = await gateway.key(scopes=scopes)
    said = {"x-gateway-metadata": '{"environment": "PROD"}'}

    _, headers, _ = await gateway.post(key, chat("be brief"), **said)
    _, _, raw = await gateway.get(key, f"/v1/decisions/{headers['x-gateway-decision-id']}")

    assert headers["x-gateway-tier"] == tier
    disbelieved = "environment as declared: not believed of a key without the scope `attribution`"
    assert (disbelieved in json.loads(raw)["explanation"]["why_not"]) is (tier == "base")


async def test_waiver_needs_a_right(gateway: Running) -> None:
    """A trusted key may say that personal data are made up; another may not."""
    body = chat(f"she is {PERSON}", metadata={"data_class": "synthetic"})
    tiers = []
    for scopes in (("inference",), ("inference", "attribution")):
        _, headers, _ = await gateway.post(await gateway.key(scopes=scopes), body)
        tiers.append(headers["x-gateway-tier"])

    assert tiers == ["premium", "base"]


async def test_tangled_code(gateway: Running, key: str) -> None:
    """Measures of pasted code decide, and the record replays to the same verdict."""
    ask = f"{ROUTINE}\n```python\n{TANGLED}```"
    _, headers, _ = await gateway.post(key, {"model": "auto", "messages": [{"role": "user", "content": ask}]})
    _, _, raw = await gateway.get(key, f"/v1/decisions/{headers['x-gateway-decision-id']}")

    assert headers["x-gateway-reason"] == "tangled: context.cyclomatic_max 13.00 >= 8.00"
    assert json.loads(raw)["record"]["features"]["context"]["context.cyclomatic_max"] == 13.0
    assert_replays(gateway, raw)
