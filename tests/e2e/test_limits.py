"""Limits of pace and overload, as clients meet them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import pytest
from running_gateway import GLM, MASTER_KEY, OPUS, ROUTINE, Json, Launch, Running, configure

from gateway.upstreams.scripted import Scenario

CHAT: Json = {"model": "glm-4.5", "messages": [{"role": "user", "content": ROUTINE}], "max_tokens": 50}
MESSAGES: Json = {**CHAT, "model": "claude-opus-4-1"}


def code(told: bytes) -> str:
    """Return the code of an error."""
    return str(json.loads(told)["error"]["code"])


def limits(headers: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Return the headers that begin with `prefix`, without it."""
    return {n.removeprefix(prefix): v for n, v in headers.items() if n.startswith(prefix)}


async def test_requests_of_a_key(gateway: Running) -> None:
    """The third request of two a minute is refused with the time to wait, and the answers say what is left."""
    key = await gateway.key(rpm=2, tpm=100_000)
    answers = [await gateway.post(key, CHAT) for _ in range(3)]
    assert [status for status, _, _ in answers] == [200, 200, 429]
    told = [limits(headers, "x-ratelimit-") for _, headers, _ in answers]
    assert [t["remaining-requests"] for t in told] == ["1", "0", "0"]
    assert (told[0]["limit-requests"], told[0]["limit-tokens"]) == ("2", "100000")
    assert told[0]["reset-requests"] == "30s"
    assert int(answers[2][1]["retry-after"]) in {29, 30}
    assert code(answers[2][2]) == "rate_limit_exceeded"
    assert len(gateway.vendors.calls) == 2


async def test_limits_in_anthropics_words(gateway: Running) -> None:
    """On /v1/messages the same limit speaks Anthropic's headers, with the one Claude Code waits for."""
    key = await gateway.key(rpm=1)
    answers = [await gateway.post(key, MESSAGES, "/v1/messages") for _ in range(2)]
    assert [status for status, _, _ in answers] == [200, 429]
    told = [limits(headers, "anthropic-ratelimit-") for _, headers, _ in answers]
    assert (told[0]["requests-limit"], told[0]["requests-remaining"]) == ("1", "0")
    assert told[0]["requests-reset"].endswith("Z")
    assert (told[0]["unified-status"], told[1]["unified-status"]) == ("allowed", "rejected")
    assert "retry-after" in answers[1][1]
    assert json.loads(answers[1][2])["error"]["type"] == "rate_limit_error"


async def test_no_headers_without_limits(gateway: Running, key: str) -> None:
    """A key without limits is told of none."""
    _, headers, _ = await gateway.post(key, CHAT)
    assert limits(headers, "x-ratelimit-") == {}


async def test_limit_of_the_team(gateway: Running) -> None:
    """A team's limit counts its keys together, and a change to it works at once."""
    keys = [await gateway.key(), await gateway.key()]
    path = f"{gateway.url}/v1/teams/red"
    head = {"authorization": f"Bearer {MASTER_KEY}"}
    async with gateway.http.patch(path, json={"rpm": 1}, headers=head) as response:
        assert (response.status, (await response.json())["rpm"]) == (200, 1)
    assert [(await gateway.post(key, CHAT))[0] for key in keys] == [200, 429]
    async with gateway.http.patch(path, json={"rpm": None}, headers=head) as response:
        assert (await response.json())["rpm"] is None
    assert (await gateway.post(keys[1], CHAT))[0] == 200
    async with gateway.http.patch(path, json={"tpm": -5}, headers=head) as response:
        assert response.status == 400


async def test_places_do_not_leak(gateway: Running) -> None:
    """After twenty failures and departures under a limit of two at a time there is still room for two."""
    key = await gateway.key(concurrency=2)
    gateway.vendors.script(GLM, Scenario(status=500))
    for _ in range(20):
        assert (await gateway.post(key, CHAT))[0] == 502
    gateway.vendors.script(GLM, Scenario(hang=True))
    held = [asyncio.create_task(gateway.post(key, CHAT)) for _ in range(2)]
    await gateway.vendors.wait_calls(22)
    status, headers, told = await gateway.post(key, CHAT)
    assert (status, headers["retry-after"], code(told)) == (429, "1", "rate_limit_exceeded")
    for task in held:
        task.cancel()
    await asyncio.gather(*held, return_exceptions=True)
    await gateway.closed(22)
    gateway.vendors.script(GLM, Scenario())
    assert (await gateway.post(key, CHAT))[0] == 200


async def test_deployment_limit_falls_back(launch: Launch, gateway: Running) -> None:
    """A deployment at its limit is passed over; a request for it alone is told to wait."""
    models = configure(gateway.vendors)["model_list"]
    assert isinstance(models, list)
    models[0]["litellm_params"]["rpm"] = 1
    limited = await launch(model_list=models)
    key = await limited.key()
    served = [(await limited.post(key, {**CHAT, "model": "auto"}))[1]["x-gateway-model"] for _ in range(2)]
    assert served == ["glm-4.5", "claude-opus-4-1"]
    status, headers, told = await limited.post(key, CHAT)
    assert (status, code(told)) == (429, "rate_limit_exceeded")
    assert 55 <= int(headers["retry-after"]) <= 60


async def test_budget_of_a_model(gateway: Running) -> None:
    """A model's budget stops that model for everyone and leaves the others alone."""
    head = {"authorization": f"Bearer {MASTER_KEY}"}
    path = f"{gateway.url}/v1/budgets/model:claude-opus-4-1/1d"
    async with gateway.http.put(path, json={"limit_usd": "0.001"}, headers=head) as response:
        assert (response.status, (await response.json())["time_zone"]) == (200, "UTC")
    key = await gateway.key()
    status, _, told = await gateway.post(key, MESSAGES)
    assert (status, code(told)) == (429, "budget_exceeded")
    assert "the model's budget of $0.001000000 per 1d" in told.decode()
    assert (await gateway.post(key, CHAT))[0] == 200
    unknown = path.replace("claude-opus-4-1", "claude-opus-41")
    async with gateway.http.put(unknown, json={"limit_usd": "1"}, headers=head) as response:
        assert (response.status, "claude-opus-4-1" in await response.text()) == (404, True)


async def test_team_budget_of_a_model(gateway: Running) -> None:
    """A team's budget of one model counts what the team spends on it, also after a restart of the counter."""
    team = (await gateway.wiring.directory.find_team("red")).id
    head, key = {"authorization": f"Bearer {MASTER_KEY}"}, await gateway.key()
    assert (await gateway.post(key, MESSAGES))[0] == 200
    path = f"{gateway.url}/v1/budgets/team:{team}/model:claude-opus-4-1/1mo"
    async with gateway.http.put(path, json={"limit_usd": "0.004"}, headers=head) as response:
        assert response.status == 200
        spent = (await response.json())["spent_usd"]
    (row,) = await gateway.rows()
    assert float(spent) * 1e9 == pytest.approx(row["cost_nano"])
    status, _, told = await gateway.post(key, MESSAGES)
    assert (status, code(told)) == (429, "budget_exceeded")


async def test_soft_budget_alerts_once(gateway: Running) -> None:
    """A soft budget refuses nothing; crossing its limit is counted once, however often it is exceeded."""
    team = (await gateway.wiring.directory.find_team("red")).id
    head, key = {"authorization": f"Bearer {MASTER_KEY}"}, await gateway.key()
    path = f"{gateway.url}/v1/budgets/team:{team}/1mo"
    async with gateway.http.put(path, json={"limit_usd": "0.00001", "hard": False}, headers=head) as response:
        assert response.status == 200
    assert [(await gateway.post(key, CHAT))[0] for _ in range(3)] == [200] * 3
    _, _, metrics = await gateway.get(key, "/metrics")
    alerts = [
        line for line in metrics.decode().splitlines() if line.startswith("gateway_budget_alerts_total")
    ]
    assert sorted(line.rpartition("threshold=")[2] for line in alerts) == ['"0.8"} 1.0', '"1"} 1.0']


async def test_overloaded(launch: Launch) -> None:
    """Past the bound of requests at a time the gateway refuses at once and says when to come back."""
    gateway = await launch(server={"max_concurrency": 1})
    key = await gateway.key()
    gateway.vendors.script(OPUS, Scenario(hang=True))
    held = asyncio.create_task(gateway.post(key, MESSAGES))
    await gateway.vendors.wait_calls(1)
    status, headers, told = await gateway.post(key, CHAT)
    assert (status, headers["retry-after"], code(told)) == (503, "1", "overloaded")
    held.cancel()
    await asyncio.gather(held, return_exceptions=True)
    await gateway.closed(1)
    assert (await gateway.post(key, CHAT))[0] == 200


async def test_budget_of_a_tag(gateway: Running) -> None:
    """A tag's budget counts the requests that carry it, exactly by name, and stops no other."""
    head, key = (
        {"authorization": f"Bearer {MASTER_KEY}"},
        await gateway.key(scopes=("inference", "attribution")),
    )
    tagged = {"x_litellm_tags": "alpha,beta"}
    assert (await gateway.post(key, MESSAGES, **tagged))[0] == 200
    path = f"{gateway.url}/v1/budgets/tag:alpha/1d"
    async with gateway.http.put(path, json={"limit_usd": "0.004"}, headers=head) as response:
        (row,) = await gateway.rows()
        assert float((await response.json())["spent_usd"]) * 1e9 == pytest.approx(row["cost_nano"])
    status, _, told = await gateway.post(key, MESSAGES, **tagged)
    assert (status, code(told)) == (429, "budget_exceeded")
    assert (await gateway.post(key, MESSAGES, x_litellm_tags="Alpha"))[0] == 200
    assert (await gateway.post(key, MESSAGES))[0] == 200
