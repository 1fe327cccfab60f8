"""The client's side of an answer: its head, and a complete one's head and body in one write."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache

from aiohttp import HttpVersion10, web

from gateway.scope import SERVER_NAME


class _Sent(web.StreamResponse):
    """What the server has to know of an answer that is on its way already; nothing of one answer is kept."""

    def __init__(self, *, keep_alive: bool) -> None:
        super().__init__()
        self._keep_alive = keep_alive

    @property
    def prepared(self) -> bool:
        """Return True: no header can be added any more."""
        return True

    async def prepare(self, request: web.BaseRequest) -> None:
        """Do nothing: it was done."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: it was done."""


SENT = {keep_alive: _Sent(keep_alive=keep_alive) for keep_alive in (True, False)}
"""By whether the connection stays open."""
_STATUS_LINES = {
    (False, True): "HTTP/1.1 200 OK",
    (False, False): "HTTP/1.1 200 OK\r\nconnection: close",
    (True, True): "HTTP/1.0 200 OK\r\nconnection: keep-alive",
    (True, False): "HTTP/1.0 200 OK",
}
"""By whether it is HTTP/1.0, and whether the connection stays open, which is said where it need be."""


async def send_whole(
    http: web.Request, headers: Mapping[str, str], body: bytes, now_s: float
) -> web.StreamResponse:
    """Send a JSON answer with status 200 and return what the server has to know of it.

    Raise ValueError for a header that would end its line. What the library does for any answer is done
    here for this one: its tables, signals and four writes cost as much as making the answer's books.
    """
    fixed = f"content-length: {len(body)}\r\ncontent-type: application/json\r\n"
    keep_alive = http.keep_alive
    await http.writer.write(write_head(http, headers, fixed, now_s, keep_alive=keep_alive) + body)
    return SENT[keep_alive]


def write_head(
    http: web.Request, headers: Mapping[str, str], fixed: str, now_s: float, *, keep_alive: bool
) -> bytes:
    """Return the head of an answer with status 200, `fixed` being lines of it that are whole already.

    Raise ValueError for a header that would end its line.
    """
    if not "".join(headers.values()).isprintable():
        raise ValueError("a header holds a control character")
    status = _STATUS_LINES[http.version == HttpVersion10, keep_alive]
    lines = [status, *map(": ".join, headers.items()), fixed + _ending(int(now_s))]
    return "\r\n".join(lines).encode()


@lru_cache(maxsize=2)
def _ending(second: int) -> str:
    """Return the last lines of a head, the same for a whole second."""
    return f"date: {formatdate(second, usegmt=True)}\r\nserver: {SERVER_NAME}\r\n\r\n"
