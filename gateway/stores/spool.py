"""The write-ahead journal between the request's path and SQL.

Every process appends to a folder of its own, `<root>/<worker>/`, in numbered segments. One append is
one line, `<crc32> <json array of rows>`, copied into a file mapped into memory: what was acknowledged
is in the page cache and survives the process; what was torn was never acknowledged and fails its
checksum. A segment is deleted once SQL holds its rows. Openings that
outlive their segment are carried in `carried.log`, replaced as a whole. The newest rows are remembered
as well, so that the files are read again only by an heir, or once SQL has fallen behind.

A process holds an exclusive lock on its folder's `lock`; a folder whose lock is free belongs to the
dead, and whoever takes the lock inherits it.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import msgspec

from gateway.errors import StoreUnavailable
from gateway.stores.base import AnyRow, OpenRow
from gateway.stores.segment import Segment

SEGMENT_BYTES = 4 << 20
LIMIT_BYTES = 256 << 20
_CHUNK_BYTES = 128 << 10
_CHECKSUM_CHARS = 9
_CARRIED = "carried.log"
_LOCK = "lock"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[AnyRow, ...]).decode


class Position(NamedTuple):
    """A place in a journal; later places compare greater."""

    segment: int
    offset: int


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Rows read from a journal, and where reading goes on."""

    rows: tuple[AnyRow, ...]
    damaged: tuple[bytes, ...]
    end: Position


def encode_line(rows: tuple[AnyRow, ...]) -> bytes:
    """Return the journal's line for rows that stand or fall together; raise UnicodeEncodeError."""
    body = _encode(rows)
    if b"\n" in body:
        body = body.replace(b"\n", b" ")  # only white space inside a raw record can be a bare newline
    return b"%08x %b\n" % (crc32(body), body)


def decode_line(line: bytes) -> tuple[AnyRow, ...] | None:
    """Return the rows of a line without its newline; None when it is damaged."""
    body = line[_CHECKSUM_CHARS:]
    if line[:_CHECKSUM_CHARS] != b"%08x " % crc32(body):
        return None
    try:
        return _decode(body)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None


def read_batch(folder: Path, at: Position, stop: Position | None = None) -> Batch | None:
    """Return the next rows at or after `at`, up to about 128 KiB; None when there are none before `stop`."""
    for number in segment_numbers(folder):
        if number < at.segment or (stop and number > stop.segment):
            continue
        offset = at.offset if number == at.segment else 0
        path = _segment(folder, number)
        size = stop.offset if stop and number == stop.segment else path.stat().st_size
        data = _read_lines(path, offset, size) if offset < size else b""
        if data:
            return _parse(data, Position(number, offset))
    return None


def read_carried(folder: Path) -> tuple[OpenRow, ...]:
    """Return the openings that outlived their segments."""
    try:
        lines = (folder / _CARRIED).read_bytes().splitlines()
    except FileNotFoundError:
        return ()
    rows = (row for line in lines for row in decode_line(line) or ())
    return tuple(row for row in rows if isinstance(row, OpenRow))


def segment_numbers(folder: Path) -> list[int]:
    """Return the numbers of the segments in `folder`, oldest first."""
    return sorted(int(path.stem) for path in folder.iterdir() if path.stem.isdigit())


class Claim:
    """A journal folder this process owns, for as long as the lock is held."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self._lock = lock

    def release(self, *, remove: bool) -> None:
        """Let go of the folder, deleting it first when nothing in it is wanted any more."""
        if remove:
            for path in sorted(self.folder.iterdir(), key=lambda path: path.name == _LOCK):
                path.unlink(missing_ok=True)
            self.folder.rmdir()
        os.close(self._lock)


def claim_new(root: Path, worker: str) -> Claim:
    """Make a folder of our own under `root`."""
    with _registry(root):
        folder = root / worker
        folder.mkdir(mode=0o700)
        claim = _try_claim(folder)
    if claim is None:
        raise StoreUnavailable("the ledger's journal cannot be opened", detail=f"`{folder}` is in use")
    return claim


def claim_dead(root: Path) -> tuple[Claim, ...]:
    """Take over every folder whose process has died."""
    with _registry(root):
        claims = [_try_claim(folder) for folder in sorted(root.iterdir()) if folder.is_dir()]
    return tuple(claim for claim in claims if claim is not None)


class Spool:
    """The write side of this process's journal, safe from any thread.

    The rows of the last two segments at most are remembered; what is older is read from the files.
    """

    def __init__(
        self, folder: Path, *, limit_bytes: int = LIMIT_BYTES, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        self._folder = folder
        self._limit = limit_bytes
        self._segment_bytes = min(segment_bytes, limit_bytes // 4)
        self._mutex = threading.Lock()
        self._full_bytes = 0
        """Of the segments before the one that is written."""
        self._segment = self._open(1, 0)
        self._closed = False
        self._synced = self._fresh_from = self.end
        """Where the rows remembered begin; they reach to the end."""
        self._fresh: list[AnyRow] = []
        self.news = threading.Event()
        """Set when something is appended that nobody has read."""

    @property
    def end(self) -> Position:
        """Where the next line will go."""
        segment = self._segment
        return Position(segment.number, segment.end)

    @property
    def kept_bytes(self) -> int:
        """How much is on disk, drained or not."""
        return self._full_bytes + self._segment.end

    @property
    def full(self) -> bool:
        """Whether the next append is likely to be refused."""
        return self.kept_bytes + self._segment_bytes > self._limit

    def append(self, rows: tuple[AnyRow, ...]) -> None:
        """Write rows as one line, all or none; raise StoreUnavailable."""
        try:
            line = encode_line(rows)
        except UnicodeEncodeError:
            rows = tuple(_without_surrogates(row) for row in rows)
            line = encode_line(rows)
        with self._mutex:
            if not self._segment.append(line):
                self._rotate(len(line))
                self._segment.append(line)
            if not self._fresh:
                self.news.set()
            self._fresh += rows

    def read(self, at: Position) -> Batch | None:
        """Return the next rows at or after `at`, which may be none; None at the end. Rows come once."""
        with self._mutex:
            stop = self._fresh_from
            if at >= self.end:
                return None
            if at >= stop:
                rows, self._fresh, self._fresh_from = tuple(self._fresh), [], self.end
                return Batch(rows=rows, damaged=(), end=self._fresh_from)
        return read_batch(self._folder, at, stop) or Batch(rows=(), damaged=(), end=stop)

    def sync(self) -> None:
        """Force to the disk what was appended since the last time; called off the request's path."""
        end = self.end
        if end == self._synced:
            return
        for number in segment_numbers(self._folder):
            if number >= self._synced.segment:
                _fsync(_segment(self._folder, number))
        _fsync(self._folder)
        self._synced = end

    def drop_before(self, segment: int, still_open: Iterable[OpenRow]) -> None:
        """Delete segments older than `segment`, first carrying the openings that are not closed."""
        old = [number for number in segment_numbers(self._folder) if number < segment]
        if not old:
            return
        self._carry(still_open)
        for number in old:
            path = _segment(self._folder, number)
            size = path.stat().st_size
            path.unlink()
            with self._mutex:
                self._full_bytes -= size

    def close(self) -> None:
        """Stop writing; later appends raise StoreUnavailable."""
        with self._mutex:
            if not self._closed:
                self._segment.close()
            self._closed = True

    def _rotate(self, wanted_bytes: int) -> None:
        """Begin a segment with room for so many bytes; raise StoreUnavailable and change nothing."""
        if self._closed:
            raise StoreUnavailable("the ledger is closed, try again later")
        full = self._segment
        if self.kept_bytes + max(self._segment_bytes, wanted_bytes) > self._limit:
            raise StoreUnavailable(
                "the ledger cannot take more requests now, try again later",
                detail=f"the journal holds {self.kept_bytes} bytes that SQL has not taken",
            )
        self._segment = self._open(full.number + 1, wanted_bytes)
        full.close()
        self._full_bytes += full.end
        if self._fresh_from.segment < full.number:
            self._fresh, self._fresh_from = [], self.end

    def _open(self, number: int, wanted_bytes: int) -> Segment:
        return Segment(_segment(self._folder, number), number, max(self._segment_bytes, wanted_bytes))

    def _carry(self, still_open: Iterable[OpenRow]) -> None:
        fresh = self._folder / "carried.new"
        fresh.write_bytes(b"".join(encode_line((row,)) for row in still_open))
        _fsync(fresh)
        fresh.replace(self._folder / _CARRIED)
        _fsync(self._folder)


def _read_lines(path: Path, offset: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(min(_CHUNK_BYTES, size - offset))
        while not data.endswith(b"\n") and offset + len(data) < size and b"\n" not in data:
            data += file.read(min(_CHUNK_BYTES, size - offset - len(data)))
    data = data.partition(b"\0")[0]  # nothing was written behind the first zero
    return data[: data.rfind(b"\n") + 1] or data


def _parse(data: bytes, start: Position) -> Batch:
    rows: list[AnyRow] = []
    damaged: list[bytes] = []
    for line in data.removesuffix(b"\n").split(b"\n"):
        found = decode_line(line)
        if found is None:
            damaged.append(line)
        else:
            rows.extend(found)
    return Batch(
        rows=tuple(rows), damaged=tuple(damaged), end=Position(start.segment, start.offset + len(data))
    )


def _without_surrogates(row: AnyRow) -> AnyRow:
    """Return the row with what UTF-8 cannot hold replaced; headers can smuggle such text in."""
    texts = {
        name: value.encode("utf-8", "replace").decode()
        for name in row.__struct_fields__
        if isinstance(value := getattr(row, name), str)
    }
    return msgspec.structs.replace(row, **texts)


def _segment(folder: Path, number: int) -> Path:
    return folder / f"{number:08d}.log"


def _try_claim(folder: Path) -> Claim | None:
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:  # its heir removed it just now
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return Claim(folder, lock)


@contextmanager
def _registry(root: Path) -> Iterator[None]:
    """Hold the root's own lock, so that no folder is inherited between its making and its locking."""
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreUnavailable("the ledger's journal cannot be opened", detail=str(error)) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _fsync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
