from __future__ import annotations

import gzip
import json
import resource
import zlib

import pytest
from running_gateway import ROUTINE, Json, Running

GOOD: Json = {"model": "glm-4.5", "messages": [{"role": "user", "content": ROUTINE}]}
MIB = 2**20
DEEP = b"[" * 200_000 + b"]" * 200_000
BAD: dict[str, tuple[bytes, str | None]] = {
    "nothing": (b"", None),
    "not json": (b"model=auto", None),
    "cut json": (b'{"model": "auto", "messages": [', None),
    "list": (b"[]", None),
    "text": (b'"auto"', None),
    "null": (b"null", None),
    "two values": (b'{"model": "auto", "messages": [{"role": "user", "content": "x"}]} {}', None),
    "not utf-8": (b'{"model": "\xff\xfe", "messages": [{"role": "user", "content": "x"}]}', None),
    "not utf-8 text": (b'{"model": "auto", "messages": [{"role": "user", "content": "\xc3"}]}', None),
    "bom": (b"\xef\xbb\xbf{}", None),
    "nan": (b'{"model": "auto", "messages": NaN}', None),
    "deep": (DEEP, None),
    "deep inside": (
        b'{"model": "auto", "messages": [{"role": "user", "content": "x"}], "x": ' + DEEP + b"}",
        None,
    ),
    "deep content": (b'{"model": "auto", "messages": [{"role": "user", "content": ' + DEEP + b"}]}", None),
    "empty object": (b"{}", "messages"),
    "no model": (b'{"messages": [{"role": "user", "content": "x"}]}', "model"),
    "model is a number": (b'{"model": 4, "messages": []}', "model"),
    "no messages": (b'{"model": "auto"}', "messages"),
    "empty messages": (b'{"model": "auto", "messages": []}', "messages"),
    "messages is text": (b'{"model": "auto", "messages": "hello"}', "messages"),
    "message is null": (b'{"model": "auto", "messages": [null]}', "messages[0]"),
    "no role": (b'{"model": "auto", "messages": [{"content": "x"}]}', "messages[0].role"),
    "strange role": (
        b'{"model": "auto", "messages": [{"role": "boss", "content": "x"}]}',
        "messages[0].role",
    ),
}
WRONG_TYPES: Json = {
    "stream": "yes",
    "n": -1,
    "max_tokens": "many",
    "max_completion_tokens": -5,
    "stream_options": [],
    "tools": "all",
    "response_format": "json",
    "metadata": 7,
    "user": {},
}


async def assert_alive(gateway: Running, key: str) -> None:
    """Check that the gateway still serves."""
    assert (await gateway.post(key, GOOD))[0] == 200


async def test_bad_bodies(gateway: Running, key: str) -> None:
    """Whatever is no request is a 400 in OpenAI's shape that names the parameter; no vendor hears of it."""
    told = {}
    for name, (body, _) in BAD.items():
        status, headers, answer = await gateway.post(key, body)
        error = json.loads(answer)["error"]
        told[name] = (status, error["type"], error["param"], headers["content-type"].partition(";")[0])
    expected = {
        name: (400, "invalid_request_error", param, "application/json") for name, (_, param) in BAD.items()
    }
    assert told == expected
    assert gateway.vendors.calls == []
    await assert_alive(gateway, key)


async def test_wrong_types(gateway: Running, key: str) -> None:
    """A known parameter of the wrong type is refused by name."""
    told = {}
    for name, value in WRONG_TYPES.items():
        status, _, answer = await gateway.post(key, {**GOOD, name: value})
        told[name] = (status, json.loads(answer).get("error", {}).get("param"))
    assert told == {name: (400, name) for name in WRONG_TYPES}


async def test_duplicate_keys(gateway: Running, key: str) -> None:
    """Of two models the last one counts, for the decision and on the way to the vendor."""
    body = b'{"model": "claude-opus-4-1", "messages": [{"role": "user", "content": "x"}], "model": "glm-4.5"}'
    status, headers, _ = await gateway.post(key, body)
    assert (status, headers["x-gateway-model"]) == (200, "glm-4.5")
    assert gateway.vendors.calls[0].model == "glm-4.5"


async def test_body_too_large(gateway: Running, key: str) -> None:
    """Thirty megabytes are refused as too large, and the answer reaches the client."""
    huge = {**GOOD, "padding": "x" * (30 * MIB)}
    status, _, answer = await gateway.post(key, huge)
    assert (status, json.loads(answer)["error"]["code"]) == (413, "request_too_large")
    await assert_alive(gateway, key)


async def test_compressed_body(gateway: Running, key: str) -> None:
    """A compressed request is served like any other."""
    raw = gzip.compress(json.dumps(GOOD).encode())
    assert (await gateway.post(key, raw, content_encoding="gzip"))[0] == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_compression_bomb(gateway: Running, key: str, encoding: str) -> None:
    """A body that expands to far more than is accepted is refused in bounded memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    packer = zlib.compressobj(1, zlib.DEFLATED, 31 if encoding == "gzip" else 15)
    bomb = b"".join(packer.compress(bytes(MIB)) for _ in range(300)) + packer.flush()
    status, _, answer = await gateway.post(key, bomb, content_encoding=encoding)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert (status, json.loads(answer)["error"]["code"]) == (413, "request_too_large")
    assert grown_kib < 100 * 1024
    await assert_alive(gateway, key)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_body_is_not_what_its_encoding_says(gateway: Running, key: str, encoding: str) -> None:
    """A body that cannot be decoded is the caller's mistake."""
    status, _, answer = await gateway.post(key, b"plain text", content_encoding=encoding)
    assert (status, json.loads(answer)["error"]["type"]) == (400, "invalid_request_error")
    await assert_alive(gateway, key)


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "rot13"])
async def test_unknown_encoding(gateway: Running, key: str, encoding: str) -> None:
    """A body in an encoding nobody offered is refused, not forwarded."""
    status, _, answer = await gateway.post(key, b"\x1b\x03plain", content_encoding=encoding)
    error = json.loads(answer)["error"]
    assert (status, error["type"], error["param"]) == (415, "invalid_request_error", "content-encoding")
    assert gateway.vendors.calls == []


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("POST", "/v1/chat/completion", 404, "not_found"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("GET", "/v1/decisions/dec_%00%ff'", 404, "not_found"),
        ("GET", "/v1/models/" + "x" * 5000, 404, "model_not_found"),
    ],
)
async def test_wrong_address(
    gateway: Running, key: str, method: str, path: str, status: int, code: str
) -> None:
    """Unknown paths and wrong methods are errors in OpenAI's shape with a request id."""
    head = {"authorization": f"Bearer {key}"}
    async with gateway.http.request(method, gateway.url + path, headers=head) as response:
        error = (await response.json())["error"]
    assert (response.status, error["code"]) == (status, code)
    assert response.headers["x-request-id"].startswith("req_")
    assert ("allow" in response.headers) == (status == 405)


@pytest.mark.parametrize("model", ["llama-9", "\U0001f600", "x" * 100_000, "glm-4.5\n", "../etc"])
async def test_unknown_model(gateway: Running, key: str, model: str) -> None:
    """A model nobody configured does not exist."""
    status, _, answer = await gateway.post(key, {**GOOD, "model": model})
    error = json.loads(answer)["error"]
    assert (status, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert len(answer) < 1000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-gateway-route", "premum"),
        ("x-gateway-route", ""),
        ("x-gateway-metadata", "{"),
        ("x-gateway-metadata", '{"service": 1}'),
        ("x-gateway-metadata", "\udcff"),
    ],
)
async def test_header_not_understood(gateway: Running, key: str, name: str, value: str) -> None:
    """A header of ours with a value that is not understood is refused by name, never ignored."""
    status, _, answer = await gateway.post(key, GOOD, **{name: value})
    assert (status, json.loads(answer)["error"]["param"]) == (400, name)


@pytest.mark.parametrize("session", ["\udcff\udc80", "é" * 200, "'; DROP TABLE requests; --", "a\tb"])
async def test_any_session_id(gateway: Running, key: str, session: str) -> None:
    """A session id may be anything a header can hold, and its decision can be read back."""
    status, headers, _ = await gateway.post(key, GOOD, x_session_id=session)
    assert status == 200
    assert (await gateway.get(key, f"/v1/decisions/{headers['x-gateway-decision-id']}"))[0] == 200


@pytest.mark.parametrize("text", ["\ud800", "\x00", "\u2028", "\U0010ffff", "\ufeff"])
async def test_any_text(gateway: Running, key: str, text: str) -> None:
    """Odd characters in a prompt are served or refused, never a defect."""
    status, _, _ = await gateway.post(key, {**GOOD, "messages": [{"role": "user", "content": text}]})
    assert status in {200, 400}
    await assert_alive(gateway, key)
