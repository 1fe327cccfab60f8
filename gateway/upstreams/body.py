"""How a reply's body is read: whole and bounded, or piece by piece, content encoding removed."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Self

from gateway.exchange import TransportFailure

MAX_PIECE_BYTES = 1_048_576
"""What one step of decompression may yield: a bomb costs its reader time, never memory."""

_GZIP, _ZLIB, _RAW_DEFLATE = 31, 15, -15
_GZIP_NAMES = frozenset({"gzip", "x-gzip"})


class Inflater:
    """Undo gzip or deflate (RFC 9110 8.4.1) piece by piece; raise TransportFailure (garbled) for damage."""

    __slots__ = ("_coding", "_pending", "_stream")

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._pending = b""
        self._stream: zlib._Decompress | None = None

    def feed(self, data: bytes) -> None:
        """Add compressed bytes."""
        self._pending += data

    def take(self) -> bytes:
        """Return up to MAX_PIECE_BYTES of what was fed; b"" asks for more."""
        while self._pending:
            piece = self._inflate()
            if piece:
                return piece
        return b""

    def finish(self) -> None:
        """Raise TransportFailure (garbled) when the body ended inside compressed data."""
        if self._stream is not None and not self._stream.eof:
            raise TransportFailure("garbled", f"the answer's {self._coding} data ends too early")

    def _inflate(self) -> bytes:
        stream = self._stream
        if stream is None:
            stream = self._stream = zlib.decompressobj(self._window_bits())
        try:
            piece = stream.decompress(self._pending, MAX_PIECE_BYTES)
        except zlib.error as error:
            raise TransportFailure("garbled", f"the answer's {self._coding} data is damaged") from error
        self._pending = stream.unconsumed_tail
        if stream.eof:
            self._turn_to_next_member(stream.unused_data)
        return piece

    def _turn_to_next_member(self, rest: bytes) -> None:
        # gzip files may be joined end to end (RFC 1952 2.2); anything else after the end is padding
        if self._coding in _GZIP_NAMES and rest.startswith(b"\x1f"):
            self._stream, self._pending = None, rest

    def _window_bits(self) -> int:
        if self._coding in _GZIP_NAMES:
            return _GZIP
        if self._coding == "deflate":
            # servers disagree on its meaning; a zlib stream's first byte ends in 8, a raw one's hardly ever
            return _ZLIB if self._pending[0] & 15 == 8 else _RAW_DEFLATE  # noqa: PLR2004
        raise TransportFailure(
            "garbled", f"the answer came in content encoding `{self._coding[:40]}`, which was not asked for"
        )


def answer_too_long(limit: int) -> TransportFailure:
    """Return the failure of a body past its bound."""
    return TransportFailure("garbled", f"the answer is over {limit} bytes long")


class BodyReply:
    """The reading half of `Reply`: subclasses deliver bytes as they come, this decodes and bounds them."""

    __slots__ = ("_inflater", "_whole", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        self.status = status
        self.headers = headers
        self._whole = False  # set once `receive` has handed out the last byte
        coding = headers.get("content-encoding")
        self._inflater = Inflater(coding.strip().lower()) if coding and coding != "identity" else None

    @property
    def whole(self) -> bool:
        """Tell whether all of the body has been handed out; never true of a compressed one."""
        return self._whole and self._inflater is None

    async def receive(self) -> bytes:
        """Return what arrived since the last call, b"" at the body's end; raise TransportFailure."""
        raise NotImplementedError

    async def close(self) -> None:
        """Release the connection: reused when the body was read to its end, closed otherwise. Idempotent."""
        raise NotImplementedError

    def __aiter__(self) -> Self:
        """Return itself: the body is read once."""
        return self

    async def __anext__(self) -> bytes:
        """Return everything that arrived, as one piece."""
        piece = await (self.receive() if self._inflater is None else self._inflate(self._inflater))
        if not piece:
            raise StopAsyncIteration
        return piece

    async def read(self, limit: int) -> bytes:
        """Return the whole body; raise TransportFailure (garbled) past `limit` bytes."""
        pieces: list[bytes] = []
        room = limit
        while piece := await (self.receive() if self._inflater is None else self._inflate(self._inflater)):
            room -= len(piece)
            if room < 0:
                await self.close()
                raise answer_too_long(limit)
            pieces.append(piece)
            if self.whole:
                break
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _inflate(self, inflater: Inflater) -> bytes:
        while not (piece := inflater.take()):
            data = await self.receive()
            if not data:
                inflater.finish()
                return b""
            inflater.feed(data)
        return piece
