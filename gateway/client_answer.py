"""The client's side of a complete answer: head and body in one write."""

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


_SENT = {keep_alive: _Sent(keep_alive=keep_alive) for keep_alive in (True, False)}


async def send_whole(
    http: web.Request, headers: Mapping[str, str], body: bytes, now_s: float
) -> web.StreamResponse:
    """Send a JSON answer with status 200 and return what the server has to know of it.

    Raise ValueError for a header that would end its line. What the library does for any answer is done
    here for this one: its tables, signals and four writes cost as much as making the answer's books.
    """
    if not "".join(headers.values()).isprintable():
        raise ValueError("a header holds a control character")
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    head = f"{_status_line(http)}{lines}content-length: {len(body)}\r\n{_ending(int(now_s))}"
    await http.writer.write(head.encode() + body)
    return _SENT[http.keep_alive]


def _status_line(http: web.Request) -> str:
    """Return the status line, and the header about the connection where the version does not imply it."""
    if http.version == HttpVersion10:
        return "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n" if http.keep_alive else "HTTP/1.0 200 OK\r\n"
    return "HTTP/1.1 200 OK\r\n" if http.keep_alive else "HTTP/1.1 200 OK\r\nconnection: close\r\n"


@lru_cache(maxsize=2)
def _ending(second: int) -> str:
    """Return the last lines of a head, the same for a whole second."""
    date = formatdate(second, usegmt=True)
    return f"content-type: application/json\r\ndate: {date}\r\nserver: {SERVER_NAME}\r\n\r\n"
