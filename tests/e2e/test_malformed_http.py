from __future__ import annotations

import asyncio
import json
import re
from urllib.parse import urlsplit

import pytest
from running_gateway import ROUTINE, Running

POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
MALFORMED = {
    "words": b"hello there\r\n\r\n",
    "no version": b"GET /v1/models\r\n\r\n",
    "http 9": b"GET /v1/models HTTP/9.9\r\nHost: x\r\n\r\n",
    "tls": bytes.fromhex("16030100c8010000c40303") + bytes(64) + b"\r\n\r\n",
    "no colon": POST + b"authorization Bearer\r\n\r\n",
    "space in name": POST + b"bad name: 1\r\n\r\n",
    "nul in value": POST + b"x-y: a\x00b\r\n\r\n",
    "huge header": POST + b"x-y: " + b"a" * 200_000 + b"\r\n\r\n",
    "huge target": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
    "many headers": POST + b"".join(b"x-%d: 1\r\n" % n for n in range(5_000)) + b"\r\n",
    "length of words": POST + b"content-length: ten\r\n\r\n",
    "negative length": POST + b"content-length: -5\r\n\r\n",
    "two lengths": POST + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
    "length and chunks": POST + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown transfer": POST + b"transfer-encoding: rot13\r\n\r\nhello",
}


async def talk(gateway: Running, sent: bytes) -> tuple[bytes, bytes]:
    """Send bytes, end the sending side, and return head and body of whatever comes back."""
    target = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(target.hostname, target.port)
    try:
        writer.write(sent)
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            return head, await reader.readexactly(size)
    finally:
        writer.close()


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed_request(gateway: Running, key: str, name: str) -> None:
    """What is no HTTP is refused in OpenAI's shape, nothing of it is repeated, and the gateway lives on."""
    head, body = await talk(gateway, MALFORMED[name])
    error = json.loads(body)["error"]
    assert re.match(rb"HTTP/\d\.\d 4\d\d ", head)
    assert b"application/json" in head
    assert b"x-request-id: req_" in head.lower()
    assert error["type"] in {"invalid_request_error", "authentication_error"}
    assert (await gateway.get(key, "/v1/models"))[0] == 200


async def test_key_is_not_repeated(gateway: Running, key: str) -> None:
    """A malformed header that holds a key is not quoted."""
    head, body = await talk(gateway, POST + b"authorization: Bearer %b\x01\r\n\r\n" % key.encode())
    assert b" 400 " in head
    assert key.encode() not in head + body


async def test_broken_chunks(gateway: Running, key: str) -> None:
    """A chunked body that breaks its own framing is the caller's mistake."""
    broken = b"authorization: Bearer %b\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n" % key.encode()
    head, body = await talk(gateway, POST + broken)
    assert b" 400 " in head
    assert json.loads(body)["error"]["type"] == "invalid_request_error"


async def test_refused_before_its_body(gateway: Running) -> None:
    """A request refused before its body was read does not leave the body in the next request's way."""
    target = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(target.hostname, target.port)
    writer.write(POST + b"authorization: Bearer wrong\r\ncontent-length: 5000\r\n\r\n{")
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 401")
    assert b"connection: close" in head.lower()


async def test_two_requests_on_one_connection(gateway: Running, key: str) -> None:
    """An error with its whole body read leaves the connection usable."""
    target = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(target.hostname, target.port)
    good = json.dumps({"model": "glm-4.5", "messages": [{"role": "user", "content": ROUTINE}]}).encode()
    for body, expected in ((b"{", b"400"), (good, b"200")):
        sent = b"authorization: Bearer %b\r\ncontent-length: %d\r\n\r\n" % (key.encode(), len(body))
        writer.write(POST + sent + body)
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        await reader.readexactly(size)
        assert head.split(b" ")[1] == expected
    writer.close()


async def test_client_leaves_while_sending(gateway: Running, key: str) -> None:
    """A client that goes away in the middle of its body costs nothing and leaves no row."""
    target = urlsplit(gateway.url)
    _, writer = await asyncio.open_connection(target.hostname, target.port)
    writer.write(POST + b"authorization: Bearer %b\r\ncontent-length: 5000\r\n\r\n{" % key.encode())
    await writer.drain()
    writer.close()
    assert (await gateway.get(key, "/v1/models"))[0] == 200
    assert await gateway.rows() == []


@pytest.mark.parametrize(
    "name",
    [
        *("accept", "api-key", "authorization", "content-encoding", "content-type", "expect", "if-match"),
        *("x-gateway-metadata", "x-gateway-route", "x-gateway-tags", "x-session-id", "user-agent"),
    ],
)
async def test_headers_that_are_no_text(gateway: Running, key: str, name: str) -> None:
    """Bytes that are no UTF-8 in a header are at worst the client's error."""
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": ROUTINE}]}).encode()
    own = b"" if name == "authorization" else b"authorization: Bearer " + key.encode() + b"\r\n"
    odd = name.encode() + b': {"a":"\xff\xfe"}\r\n'
    head, _ = await talk(gateway, POST + own + odd + b"content-length: %d\r\n\r\n" % len(body) + body)
    assert head.split(b" ")[1] in {b"200", b"400", b"401", b"415"}


async def test_body_is_invited(gateway: Running, key: str) -> None:
    """A client that waits before it sends its body is told to go on, once it may."""
    own = b"authorization: Bearer " + key.encode() + b"\r\nexpect: 100-continue\r\n"
    target = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(target.hostname, target.port)
    writer.write(POST + own + b"content-length: 1\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"{")
    assert b" 400 " in await reader.readline()
    writer.close()
