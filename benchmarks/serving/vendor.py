"""A vendor that answers at once and at almost no cost: `python -m benchmarks.serving.vendor PORT`.

The path tells the answer: `/events/<n>/...` streams so many events, each an HTTP chunk of its own, if the
request asks for a stream; everything else is one JSON answer of 1.3 KB.
"""

from __future__ import annotations

import asyncio
import re
import sys
from functools import lru_cache
from typing import cast

import httptools
import uvloop

_USAGE = b'"usage":{"prompt_tokens":2000,"completion_tokens":200,"total_tokens":2200}'
_START = b'{"id":"c-1","object":"%b","created":1,"model":"m","choices":[{"index":0,'
_CHUNK = _START % b"chat.completion.chunk"
_JSON = (
    _START % b"chat.completion"
    + b'"message":{"role":"assistant","content":"%b"},"finish_reason":"stop"}],%b}' % (b"word " * 220, _USAGE)
)
_EVENTS = re.compile(rb"/events/(\d+)/")
_STREAM = re.compile(rb'"stream":\s*true')


def plain_answer() -> bytes:
    """Return the JSON answer as it goes over the wire."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(_JSON)
    return head + _JSON


@lru_cache
def stream_answer(events: int) -> bytes:
    """Return a stream with so many content events, framed as a vendor does."""
    datas = [_CHUNK + b'"delta":{"role":"assistant","content":""},"finish_reason":null}]}']
    datas += [_CHUNK + b'"delta":{"content":" word%d"},"finish_reason":null}]}' % n for n in range(events)]
    datas += [_CHUNK + b'"delta":{},"finish_reason":"stop"}]}']
    datas += [
        b'{"id":"c-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],%b}' % _USAGE
    ]
    texts = [b"data: %b\n\n" % data for data in (*datas, b"[DONE]")]
    body = b"".join(b"%x\r\n%b\r\n" % (len(text), text) for text in texts)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + body + b"0\r\n\r\n"


class Vendor(asyncio.Protocol):
    """One connection; the parser calls the `on_` methods."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpRequestParser(self)
        self._path, self._body = b"", bytearray()

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """Note the path."""
        self._path = url

    def on_body(self, data: bytes) -> None:
        """Keep the body."""
        self._body += data

    def on_message_complete(self) -> None:
        """Answer."""
        wanted = _EVENTS.search(self._path)
        streams = wanted is not None and _STREAM.search(self._body)
        self._transport.write(stream_answer(int(wanted[1])) if wanted and streams else plain_answer())
        self._body.clear()


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Vendor, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
