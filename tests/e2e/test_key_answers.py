from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from openai import AuthenticationError
from running_gateway import MASTER_KEY, ROUTINE, Json, Running

from gateway.credentials import mint

BODY: Json = {"model": "auto", "messages": [{"role": "user", "content": ROUTINE}]}


@pytest.mark.parametrize("style", ["authorization", "x-api-key", "api-key", "x-litellm-api-key"])
async def test_every_header_style(gateway: Running, key: str, style: str) -> None:
    """A key is taken from any header that OpenAI, Anthropic, Azure or LiteLLM clients send."""
    head = {style: f"bearer  {key} " if style == "authorization" else key}
    async with gateway.http.get(f"{gateway.url}/v1/models", headers=head) as response:
        assert response.status == 200


async def test_every_refusal_looks_the_same(gateway: Running, key: str) -> None:
    """Wrong, missing, malformed, expired and revoked keys get one and the same answer."""
    expired, revoked = await gateway.key(name="expired"), await gateway.key(name="revoked")
    with closing(sqlite3.connect(gateway.folder / "books.db", isolation_level=None)) as database:
        database.execute("UPDATE keys SET expires_ms = 1 WHERE name = 'expired'")
    row = next(k for k in await gateway.wiring.directory.list_keys("red") if k.name == "revoked")
    await gateway.wiring.directory.revoke_key(row.id, actor="test")
    keys = ["", mint(), "sk-" + "x" * 9_000, "Ünïcode", "a b", expired, revoked, key[:-1], MASTER_KEY[:-1]]
    told = set()
    for wrong in keys:
        status, headers, body = await gateway.post(wrong, BODY)
        told.add((status, body, headers["content-type"]))
    ((status, body, _),) = told
    error = json.loads(body)["error"]
    assert (status, error["code"], error["param"]) == (401, "invalid_api_key", None)
    assert error["type"] == "authentication_error"


async def test_no_header_at_all(gateway: Running) -> None:
    """A request without any key is refused like one with a wrong key, in the dialect of its path."""
    async with gateway.http.post(f"{gateway.url}/v1/messages", json=BODY) as response:
        told = await response.json()
    assert (response.status, told["type"], told["error"]["type"]) == (401, "error", "authentication_error")


async def test_official_client_knows_the_error(gateway: Running) -> None:
    """OpenAI's client raises its own authentication error."""
    with pytest.raises(AuthenticationError) as refused:
        await gateway.client(mint()).models.list()
    assert refused.value.code == "invalid_api_key"


@pytest.mark.parametrize(
    ("scopes", "path", "status"),
    [
        (("inference",), "/v1/models", 200),
        (("inference",), "/v1/reports/costs", 403),
        (("reports",), "/v1/reports/costs", 200),
        (("reports",), "/v1/models", 403),
    ],
)
async def test_scopes(gateway: Running, scopes: tuple[str, ...], path: str, status: int) -> None:
    """A valid key without the scope is forbidden, and told which one it lacks."""
    answered, _, body = await gateway.get(await gateway.key(scopes=scopes), path)
    assert answered == status
    if status == 403:
        assert json.loads(body)["error"]["type"] == "permission_error"


async def test_allowed_models(gateway: Running) -> None:
    """A key with a list of models sees and reaches those; another model does not exist for it."""
    key = await gateway.key(allowed_models=("glm-4.5",))
    _, _, listed = await gateway.get(key, "/v1/models")
    status, _, told = await gateway.post(key, BODY | {"model": "claude-opus-4-1"})
    assert [model["id"] for model in json.loads(listed)["data"]] == ["auto", "glm-4.5"]
    assert (status, json.loads(told)["error"]["code"]) == (404, "model_not_found")
    assert (await gateway.post(key, BODY))[0] == 200


async def test_public_routes_need_no_key(gateway: Running) -> None:
    """Probes and documents answer without a key and call nobody."""
    for path in ("/health/liveness", "/health/readiness", "/metrics", "/openapi.json", "/docs"):
        async with gateway.http.get(gateway.url + path) as response:
            assert response.status == 200
    assert gateway.vendors.calls == []
