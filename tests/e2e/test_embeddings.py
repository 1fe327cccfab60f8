from __future__ import annotations

import base64
import json
import struct

import pytest
from openai import AsyncOpenAI, BadRequestError
from running_gateway import GLM_KEY, ROUTINE, Json, Launch, Running, configure

from gateway.upstreams.scripted import Scenario, Vendors

EMBED, SPARE = "text-embedding-3-small", "text-embedding-3-large"
"""The vendors' names of two deployments that share the model name `embed`."""


def fleet(vendors: Vendors) -> list[Json]:
    """Return the usual two chat models, and two deployments of one embedding model."""
    entries = configure(vendors)["model_list"]
    assert isinstance(entries, list)
    params = {"api_base": vendors.openai_url, "api_key": GLM_KEY}
    return entries + [
        {"model_name": "embed", "litellm_params": {"model": f"openai/{name}", **params}}
        for name in (EMBED, SPARE)
    ]


@pytest.fixture
async def gateway(launch: Launch, vendors: Vendors) -> Running:
    """Give a gateway that also serves embeddings."""
    return await launch(model_list=fleet(vendors))


@pytest.mark.parametrize("given", ["one text", ["one", "two"], [1, 2, 3], [[1, 2], [3]]])
async def test_official_client(gateway: Running, client: AsyncOpenAI, given: object) -> None:
    """The official client gets a vector for every input; it asks for base64 and decodes it."""
    answer = await client.embeddings.create(model="embed", input=given)  # type: ignore[arg-type]
    assert len(answer.data[0].embedding) == 64
    assert gateway.vendors.calls[-1].body == {"input": given, "model": EMBED, "encoding_format": "base64"}


@pytest.mark.parametrize("form", ["float", "base64"])
async def test_bytes_are_the_vendors(gateway: Running, key: str, form: str) -> None:
    """Either encoding arrives exactly as the vendor wrote it."""
    body = {"model": "embed", "input": "a", "encoding_format": form, "dimensions": 3}
    _, headers, got = await gateway.post(key, body, "/v1/embeddings")
    async with gateway.http.post(
        f"{gateway.vendors.openai_url}/embeddings",
        json=body | {"model": EMBED},
        headers={"authorization": "Bearer x"},
    ) as direct:
        assert got == await direct.read()
    vector = json.loads(got)["data"][0]["embedding"]
    assert len(base64.b64decode(vector) if form == "base64" else struct.pack("3f", *vector)) == 12
    assert (headers["x-gateway-model"], headers["x-gateway-cost-usd"]) == ("embed", "0.000000020")


async def test_booked_like_any_request(gateway: Running, key: str) -> None:
    """The ledger holds the vendor's count at the input price; no savings are claimed; the decision is kept."""
    _, headers, got = await gateway.post(key, {"model": "embed", "input": ROUTINE * 50}, "/v1/embeddings")
    tokens = json.loads(got)["usage"]["prompt_tokens"]
    (row,) = await gateway.rows()
    assert (row["dialect"], row["status"], row["model"]) == ("embeddings", "ok", "embed")
    assert (row["input_tokens"], row["output_tokens"], row["cost_nano"]) == (tokens, 0, tokens * 20)
    assert (row["baseline"], row["baseline_nano"]) == ("requested", row["cost_nano"])
    _, _, told = await gateway.get(key, f"/v1/decisions/{headers['x-gateway-decision-id']}")
    assert json.loads(told)["record"]["decision"]["ground"] == "pin"
    assert ROUTINE not in told.decode()


async def test_falls_back_to_the_spare(gateway: Running, key: str) -> None:
    """A deployment that fails is replaced by the other one of the same name, and rests."""
    gateway.vendors.script(EMBED, Scenario(status=503))
    for expected in ("2", "2", "2", "2", "2", "1"):
        status, headers, _ = await gateway.post(key, {"model": "embed", "input": "a"}, "/v1/embeddings")
        assert (status, headers["x-gateway-attempts"]) == (200, expected)
    assert gateway.vendors.calls[-1].model == SPARE


async def test_budget_holds(gateway: Running) -> None:
    """A budget that has no room for the texts refuses them before they are sent."""
    key = await gateway.key(budget_usd="0.000001")
    status, _, told = await gateway.post(key, {"model": "embed", "input": "word " * 900}, "/v1/embeddings")
    assert (status, json.loads(told)["error"]["code"]) == (429, "budget_exceeded")
    assert (await gateway.post(key, {"model": "embed", "input": "a"}, "/v1/embeddings"))[0] == 200
    assert len(gateway.vendors.calls) == 1


@pytest.mark.parametrize("model", ["auto", "gpt-4o", "glm-4.5"])
async def test_chat_models_do_not_embed(client: AsyncOpenAI, model: str) -> None:
    """`auto`, an alias of it and a chat model are refused with what to do instead."""
    with pytest.raises(BadRequestError, match="embedding") as caught:
        await client.embeddings.create(model=model, input="a")
    assert (caught.value.param, caught.value.code) == ("model", "unsupported_value")


async def test_embedding_models_do_not_chat(client: AsyncOpenAI) -> None:
    """A conversation with an embedding model is refused with the endpoint to use."""
    with pytest.raises(BadRequestError, match="send its texts to /v1/embeddings"):
        await client.chat.completions.create(model="embed", messages=[{"role": "user", "content": "hi"}])


async def test_keys_reach_only_what_they_may(gateway: Running) -> None:
    """A key for the embedding model sees and reaches it; a key without it is told it does not exist."""
    able = await gateway.key(allowed_models=["embed"])
    other = await gateway.key(allowed_models=["glm-4.5"])
    assert [m.id async for m in gateway.client(able).models.list()] == ["auto", "embed"]
    assert (await gateway.post(able, {"model": "embed", "input": "a"}, "/v1/embeddings"))[0] == 200
    assert (await gateway.post(other, {"model": "embed", "input": "a"}, "/v1/embeddings"))[0] == 404


async def test_aliases_may_embed(launch: Launch, vendors: Vendors) -> None:
    """A pattern of names may stand for an embedding model."""
    gateway = await launch(model_list=fleet(vendors), aliases={"text-embedding-*": "embed"})
    body = {"model": "text-embedding-ada-002", "input": "a"}
    assert (await gateway.post(await gateway.key(), body, "/v1/embeddings"))[0] == 200


@pytest.mark.parametrize(
    ("scenario", "status", "code"),
    [
        (Scenario(status=400), 400, "upstream_rejected"),
        (Scenario(status=401), 502, "upstream_error"),
        (Scenario(status=429, retry_after=34), 429, "upstream_rate_limited"),
        (Scenario(garbage=True), 502, "upstream_garbled"),
        (Scenario(cut_after_events=0), 502, "upstream_garbled"),
    ],
)
async def test_vendor_failures(
    gateway: Running, key: str, scenario: Scenario, status: int, code: str
) -> None:
    """The vendor's failures become the same errors as for a chat."""
    gateway.vendors.script("*", scenario)
    answered, _, told = await gateway.post(key, {"model": "embed", "input": "a"}, "/v1/embeddings")
    assert (answered, json.loads(told)["error"]["code"]) == (status, code)
    assert gateway.open_holds == 0
