"""The reference: the least an aiohttp gateway does. `python -m benchmarks.serving.passthrough PORT UPSTREAM`.

It decodes the body, rewrites `model`, forwards with aiohttp's client and relays the answer, streams chunk by
chunk. No keys, no policy, no money, no log.
"""

from __future__ import annotations

import asyncio
import sys

import aiohttp
import msgspec
import uvloop
from aiohttp import web

_SESSION = web.AppKey("session", aiohttp.ClientSession)
_HEADERS = {"content-type": "application/json", "authorization": "Bearer none"}


async def forward(request: web.Request) -> web.StreamResponse:
    """Carry one request over."""
    body = msgspec.json.decode(await request.read(), type=dict[str, object])
    body["model"] = "m"
    url = sys.argv[2] + request.path
    async with request.app[_SESSION].post(url, data=msgspec.json.encode(body), headers=_HEADERS) as answer:
        if not body.get("stream"):
            return web.Response(body=await answer.read(), content_type="application/json")
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response


async def _make() -> web.Application:
    app = web.Application(client_max_size=2**26)
    app[_SESSION] = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), auto_decompress=False, timeout=aiohttp.ClientTimeout()
    )
    app.router.add_post("/{path:.*}", forward)
    return app


async def _serve(port: int) -> None:
    runner = web.AppRunner(await _make(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=2048).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
