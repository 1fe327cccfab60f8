"""HTTP/1.1 without sockets: the header lines of a request, and the answer parsed from bytes."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache

import httptools

from gateway.exchange import TransportFailure

MAX_HEADER_BYTES = 65_536
MAX_HEADERS = 256
USER_AGENT = "tiergate"

_UNSENDABLE = re.compile(r"[\r\n\0]|[^\x00-\xff]")
_FIRST_FINAL_STATUS = 200


def check_headers(headers: Mapping[str, str]) -> None:
    """Raise TransportFailure (garbled) for a line break, a NUL or a character past latin-1.

    Nothing may smuggle in a header or a second request. The message names the header, never its value.
    """
    for name, value in headers.items():
        if _UNSENDABLE.search(name) or _UNSENDABLE.search(value):
            raise TransportFailure(
                "garbled",
                f"header `{ascii(name)[1:-1]}` holds a line break, a NUL or a character past latin-1: "
                "correct what the deployment sends",
            )


@lru_cache(maxsize=256)
def render_headers(headers: tuple[tuple[str, str], ...], user_agent: str) -> bytes:
    """Return header lines, accept-encoding and user-agent added where there is none.

    Raise TransportFailure (garbled) as `check_headers` does. A deployment's headers hardly ever change
    from call to call, hence the cache.
    """
    check_headers(dict(headers))
    lines = [f"{name}: {value}\r\n" for name, value in headers]
    present = {name.lower() for name, _ in headers}
    if "accept-encoding" not in present:
        lines.append("accept-encoding: identity\r\n")
    if "user-agent" not in present:
        lines.append(f"user-agent: {user_agent}\r\n")
    return "".join(lines).encode("latin-1")


def fold_headers(fields: Collection[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by lower-case name, repeated ones joined by `, `; latin-1 throughout (RFC 9110 5.5)."""
    headers = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in fields}
    if len(headers) == len(fields):
        return headers
    joined: dict[str, str] = {}
    for name, value in fields:
        key, text = name.lower().decode("latin-1"), value.decode("latin-1")
        joined[key] = f"{joined[key]}, {text}" if key in joined else text
    return joined


class AnswerParser:
    """Parses the answers of one connection, one after the other; `reset` stands between two.

    `parts` holds the body bytes nobody took yet, transfer encoding removed. `head_done` and `done` tell
    how far the answer has come, `started` whether any byte of it has. `unread_bytes` counts what was fed
    since the last `take`, framing included. Interim (1xx) answers are skipped.
    """

    __slots__ = (
        "_fields",
        "_max_header_bytes",
        "_parser",
        "_quiet_bytes",
        "_refusal",
        "_until_eof",
        "done",
        "head_done",
        "headers",
        "keep_alive",
        "on_body",
        "parts",
        "started",
        "status",
        "unread_bytes",
    )

    def __init__(self, max_header_bytes: int) -> None:
        self.parts: list[bytes] = []
        self.on_body = self.parts.append  # the parser calls it for every chunk: no detour through Python
        self._fields: list[tuple[bytes, bytes]] = []
        self._max_header_bytes = max_header_bytes
        self._parser = httptools.HttpResponseParser(self)
        self._refusal: TransportFailure | None = None
        self.reset()

    def reset(self) -> None:
        """Expect a new answer."""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.parts.clear()
        self.unread_bytes = 0
        self.started = self.head_done = self.done = self.keep_alive = self._until_eof = False
        self._quiet_bytes = 0

    def feed(self, data: bytes) -> None:
        """Parse `data`; raise TransportFailure (garbled) when it is not HTTP or breaks a bound."""
        self.started = True
        self.unread_bytes += len(data)
        parts_before = len(self.parts)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.keep_alive = False
            if not self.done:
                raise self._refusal or TransportFailure(
                    "garbled", f"the answer is not HTTP/1.1: {error}"
                ) from None
        if len(self.parts) > parts_before or self.done:
            self._quiet_bytes = 0
            return
        self._quiet_bytes += len(data)
        if self._quiet_bytes > self._max_header_bytes:
            # a line without end grows inside the parser, where no callback sees it
            raise self._headers_exceeded()

    def end(self, *, clean: bool) -> None:
        """Note that the peer closed; raise TransportFailure (cut_off) unless the answer is whole."""
        if clean and self.head_done and self._until_eof:
            self.done = True
        if not self.done:
            place = "inside the answer" if self.started else "before it answered"
            raise TransportFailure("cut_off", f"the upstream closed the connection {place}")

    def take(self) -> bytes:
        """Return the body bytes that arrived since the last call."""
        parts = self.parts
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self.unread_bytes = 0
        return data

    def on_message_begin(self) -> None:
        """Start an answer's head; refuse one that nobody asked for."""
        if self.done:
            self._refuse(TransportFailure("garbled", "the upstream answered twice"))
        self._fields.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, or a trailer, which nobody reads."""
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """Read the head: its size, how the body will end, codings that cannot be undone."""
        self.status = self._parser.get_status_code()
        if self.status < _FIRST_FINAL_STATUS:
            return
        fields = self._fields
        if len(fields) > MAX_HEADERS or self._head_is_too_long():
            self._refuse(self._headers_exceeded())
        headers = self.headers = fold_headers(fields)
        coding = headers.get("transfer-encoding")
        if coding is not None and coding.lower() != "chunked":
            self._refuse(TransportFailure("garbled", f"the answer came in transfer encoding `{coding[:40]}`"))
        self._until_eof = coding is None and "content-length" not in headers
        self.keep_alive = self._parser.should_keep_alive()
        self.head_done = True

    def on_message_complete(self) -> None:
        """Note the end of the answer, unless it was an interim one."""
        self.done = self.head_done

    def _refuse(self, failure: TransportFailure) -> None:
        self._refusal = failure
        raise failure

    def _head_is_too_long(self) -> bool:
        # what was fed bounds the head from above, so most heads need no counting
        limit = self._max_header_bytes
        return (
            self.unread_bytes > limit and sum(len(name) + len(value) for name, value in self._fields) > limit
        )

    def _headers_exceeded(self) -> TransportFailure:
        return TransportFailure(
            "garbled", f"the answer's head is over {self._max_header_bytes} bytes or {MAX_HEADERS} headers"
        )
