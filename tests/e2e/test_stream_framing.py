from __future__ import annotations

import asyncio
import json
from urllib.parse import urlsplit

import pytest
from running_gateway import GLM, ROUTINE, Running

from gateway.upstreams.scripted import Scenario

BODY = json.dumps(
    {"model": "auto", "stream": True, "messages": [{"role": "user", "content": ROUTINE}]}
).encode()
END = b"data: [DONE]\n\n"


def asks(key: str, version: str, *headers: str) -> bytes:
    """Write a request for a stream."""
    lines = [f"authorization: Bearer {key}", f"content-length: {len(BODY)}", "host: x", *headers]
    head = f"POST /v1/chat/completions HTTP/{version}\r\n" + "".join(f"{line}\r\n" for line in lines)
    return head.encode() + b"\r\n" + BODY


def unchunked(framed: bytes) -> bytes:
    """Undo chunked coding, which must be whole and the last thing there is."""
    body = b""
    while framed:
        size, _, rest = framed.partition(b"\r\n")
        length = int(size, 16)
        chunk, ending, framed = rest[:length], rest[length : length + 2], rest[length + 2 :]
        assert ending == b"\r\n"
        body += chunk
        if not length:
            assert not framed
    return body


async def talk(gateway: Running, *requests: bytes) -> list[tuple[bytes, bytes]]:
    """Send requests over one connection; return each answer's head, and its body as it was framed."""
    target = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(target.hostname, target.port)
    answers = []
    async with asyncio.timeout(10):
        for request in requests:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            is_open = b"transfer-encoding: chunked" in head and b"connection: close" not in head
            answers.append((head, await (reader.readuntil(b"\r\n0\r\n\r\n") if is_open else reader.read())))
    writer.close()
    await writer.wait_closed()
    return answers


@pytest.mark.parametrize("paced_ms", [0, 2])
async def test_two_streams_one_connection(gateway: Running, key: str, paced_ms: int) -> None:
    """A stream that came at once, or event by event, is chunked and leaves the connection to the next."""
    gateway.vendors.script(GLM, Scenario(events=9, delay_event_ms=paced_ms))
    answers = await talk(gateway, asks(key, "1.1"), asks(key, "1.1"))
    for head, framed in answers:
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert head.count(b"content-type: text/event-stream\r\n") == 1
        assert b"content-length" not in head
        assert unchunked(framed).endswith(END)
        assert unchunked(framed).count(b"data: ") > 9


async def test_last_stream_of_a_connection(gateway: Running, key: str) -> None:
    """A client that wants no more answers is told that the connection ends, and it does."""
    ((head, framed),) = await talk(gateway, asks(key, "1.1", "connection: close"))
    assert b"connection: close\r\n" in head
    assert unchunked(framed).endswith(END)


@pytest.mark.parametrize("headers", [(), ("connection: keep-alive",)])
async def test_http_1_0_has_no_chunks(gateway: Running, key: str, headers: tuple[str, ...]) -> None:
    """For an old client the end of the connection ends the stream."""
    ((head, body),) = await talk(gateway, asks(key, "1.0", *headers))
    assert head.startswith(b"HTTP/1.0 200 OK\r\n")
    assert b"chunked" not in head
    assert b"keep-alive" not in head
    assert body.startswith(b"data: {")
    assert body.endswith(END)
