"""Put an answer on the wire the way a scenario says: late, in crumbs, cut, or with an error in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping

import msgspec
from aiohttp import web

from gateway.upstreams.scripted.calls import CallLog, VendorCall
from gateway.upstreams.scripted.scenario import HTTP_OK
from gateway.upstreams.scripted.text import Stamp
from gateway.upstreams.scripted.vendor import Refusal, Rendering, Vendor

PAGE = (
    "<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n"
    "<center><h1>{status} {reason}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
_REASONS = {
    200: "OK",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    529: "Overloaded",
}


class Delivery:
    """Carries one answer to one client."""

    def __init__(
        self, request: web.Request, vendor: Vendor, call: VendorCall, log: CallLog, stamp: Stamp
    ) -> None:
        self._request, self._vendor, self._call, self._log, self._stamp = request, vendor, call, log, stamp
        self._scenario = call.scenario

    async def refuse(self, refusal: Refusal) -> web.StreamResponse:
        """Send the vendor's error, in the form the scenario names."""
        scripted = refusal.status == self._scenario.status
        wait = (
            {"retry-after": str(self._scenario.retry_after)} if self._scenario.retry_after is not None else {}
        )
        if scripted and self._scenario.body == "html":
            return self._send(html_page(refusal.status), "text/html", refusal.status, wait)
        if scripted and self._scenario.body == "empty":
            return self._send(b"", "text/plain", refusal.status, wait)
        error = msgspec.json.encode(self._vendor.error_body(refusal, self._stamp))
        return self._send(error, "application/json", refusal.status, wait if scripted else {})

    async def send(self, rendering: Rendering) -> web.StreamResponse:
        """Send an answer, whole or as a stream, with the scenario's faults."""
        scenario = self._scenario
        if scenario.garbage:
            return self._send(html_page(HTTP_OK), "text/html")
        if rendering.events is not None:
            return await self._stream(() if scenario.empty else rendering.events)
        body = b"" if scenario.empty else msgspec.json.encode(rendering.body)
        if scenario.error_after_events is not None:
            failure = self._vendor.failure(500, scenario.code)
            body = msgspec.json.encode(self._vendor.error_body(failure, self._stamp))
        if scenario.cut_after_events is not None:
            return await self._half(body)
        return self._send(body, "application/json")

    def _send(
        self, body: bytes, kind: str, status: int = HTTP_OK, extra: Mapping[str, str] | None = None
    ) -> web.StreamResponse:
        self._call.status = status
        headers = {**self._vendor.headers(self._stamp), **(extra or {})}
        return web.Response(body=body, status=status, headers=headers, content_type=kind)

    async def _half(self, body: bytes) -> web.StreamResponse:
        head = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        response = await self._open(head)
        await response.write(body[: len(body) // 2])
        return await self._cut(response)

    async def _open(self, head: Mapping[str, str]) -> web.StreamResponse:
        response = web.StreamResponse(headers={**head, **self._vendor.headers(self._stamp)})
        self._call.status = HTTP_OK
        await response.prepare(self._request)
        return response

    async def _stream(self, events: Iterable[bytes]) -> web.StreamResponse:
        response = await self._open({"Content-Type": self._vendor.stream_type, "Cache-Control": "no-cache"})
        for event in self._with_error(events):
            if self._call.events_sent == self._scenario.cut_after_events:
                return await self._cut(response)
            if self._call.events_sent == self._scenario.end_after_events:
                break
            if self._call.events_sent == self._scenario.hang_after_events:
                await asyncio.Event().wait()
            if self._scenario.delay_event_ms:
                await asyncio.sleep(self._scenario.delay_event_ms / 1000)
            await self._write(response, event)
            self._call.events_sent += 1
            await self._log.tell()
        await response.write_eof()
        return response

    def _with_error(self, events: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the events up to the error the scenario puts after them."""
        for position, event in enumerate(events):
            if position == self._scenario.error_after_events:
                yield self._vendor.error_event(self._stamp)
                return
            yield event

    async def _write(self, response: web.StreamResponse, event: bytes) -> None:
        # JSON escapes its own line ends, so every LF here is the stream's.
        data = event.replace(b"\n", b"\r\n") if self._scenario.crlf else event
        size = self._scenario.chunk_bytes or len(data)
        for start in range(0, len(data), size):
            await response.write(data[start : start + size])
            if self._scenario.chunk_bytes:
                await asyncio.sleep(0)

    async def _cut(self, response: web.StreamResponse) -> web.StreamResponse:
        """Close the socket once what was written has left this process."""
        self._call.was_cut = True
        transport = self._request.transport
        while transport is not None and transport.get_write_buffer_size():  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.001)
        if transport is not None:
            transport.abort()
        return response


def html_page(status: int) -> bytes:
    """Return the page a proxy in front of the vendor would show."""
    return PAGE.format(status=status, reason=_REASONS.get(status, "Service Unavailable")).encode()
