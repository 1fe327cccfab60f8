"""A vendor that answers at once and at almost no cost: `python -m benchmarks.serving.vendor PORT`.

The path tells the answer: `/events/<n>/...` streams so many events, each an HTTP chunk of its own, if the
request asks for a stream; everything else is one JSON answer of 1.3 KB. Under `/v1/messages` streams are
Anthropic's.
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
    return _framed(texts)


@lru_cache
def messages_stream(events: int) -> bytes:
    """Return a stream with so many content events in Anthropic's dialect."""
    usage = b'"usage":{"input_tokens":2000,"output_tokens":%d}'
    message = (
        b'{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,%b}'
    )
    delta = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" word%d"}}'
    block = b'{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}'
    end = b'{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},%b}'
    datas = [
        (b"message_start", b'{"type":"message_start","message":%b}' % (message % (usage % 1))),
        (b"content_block_start", block),
        *((b"content_block_delta", delta % n) for n in range(events)),
        (b"content_block_stop", b'{"type":"content_block_stop","index":0}'),
        (b"message_delta", end % (usage % 200)),
        (b"message_stop", b'{"type":"message_stop"}'),
    ]
    return _framed([b"event: %b\ndata: %b\n\n" % event for event in datas])


def _framed(texts: list[bytes]) -> bytes:
    """Return a streamed answer in which every event is an HTTP chunk of its own, as vendors send them."""
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
        make = messages_stream if self._path.endswith(b"/v1/messages") else stream_answer
        self._transport.write(make(int(wanted[1])) if wanted and streams else plain_answer())
        self._body.clear()


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Vendor, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
