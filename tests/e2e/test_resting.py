"""Deployments that fail are left alone for a while; those that name a time are left alone until then."""

from __future__ import annotations

from running_gateway import GLM, ROUTINE, Running

from gateway.upstreams.scripted import Scenario

ASK = {"model": "auto", "messages": [{"role": "user", "content": ROUTINE}]}


def asked(gateway: Running) -> list[str]:
    """Return the models the vendors were asked for since the last look."""
    models = [call.model for call in gateway.vendors.calls]
    gateway.vendors.calls.clear()
    return models


async def test_limited_vendor_is_not_asked_again(gateway: Running, key: str) -> None:
    """A vendor that says `retry-after: 34` is asked once, then passed over without a try."""
    gateway.vendors.script(GLM, Scenario(status=429, retry_after=34))

    first = await gateway.post(key, ASK)
    assert asked(gateway)[0] == GLM
    second = await gateway.post(key, ASK)

    assert (first[0], second[0]) == (200, 200)
    assert GLM not in asked(gateway)
    assert second[1]["x-gateway-reason"] == "base: glm-4.5 is limiting our requests"


async def test_pinned_and_limited_is_told_when_to_return(gateway: Running, key: str) -> None:
    """Where nobody else may serve, the caller is told to wait instead of the vendor being asked."""
    gateway.vendors.script(GLM, Scenario(status=429, retry_after=34))
    pinned = ASK | {"model": "glm-4.5"}
    await gateway.post(key, pinned)
    asked(gateway)

    status, headers, _ = await gateway.post(key, pinned)

    assert (status, asked(gateway)) == (429, [])
    assert 30 < int(headers["retry-after"]) <= 34
    _, _, record = await gateway.get(key, f"/v1/decisions/{headers['x-gateway-decision-id']}")
    assert b"glm-4.5 is limiting our requests" in record


async def test_failing_vendor_is_rested(gateway: Running, key: str) -> None:
    """After five failures the deployment is passed over while another can serve."""
    gateway.vendors.script(GLM, Scenario(status=500))
    for _ in range(5):
        await gateway.post(key, ASK)
    asked(gateway)

    status, headers, _ = await gateway.post(key, ASK)

    assert status == 200
    assert GLM not in asked(gateway)
    assert headers["x-gateway-reason"] == "base: glm-4.5 is cooling down after failures"


async def test_resting_vendor_is_better_than_none(gateway: Running, key: str) -> None:
    """A pinned deployment that rests is tried all the same, and serves as soon as it can."""
    pinned = ASK | {"model": "glm-4.5"}
    gateway.vendors.script(GLM, Scenario(status=500))
    for _ in range(5):
        await gateway.post(key, pinned)
    gateway.vendors.script(GLM, Scenario())

    assert (await gateway.post(key, pinned))[0] == 200
