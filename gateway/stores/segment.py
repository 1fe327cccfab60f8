"""One file of the journal, written through memory: a line costs no system call."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from gateway.errors import StoreUnavailable


class Segment:
    """A file of reserved size that lines are copied into; what was copied is in the page cache.

    The space is reserved on the disk beforehand, so a full disk refuses a segment and never a line. Behind
    the last line stand zeros, which no line holds; closing cuts them off.
    """

    __slots__ = ("_file", "_memory", "_size", "end", "number")

    def __init__(self, path: Path, number: int, size: int) -> None:
        self.number, self._size, self.end = number, size, 0
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.posix_fallocate(self._file, 0, size)
                self._memory = mmap.mmap(self._file, size)
            except BaseException:
                os.close(self._file)
                path.unlink()
                raise
        except OSError as error:
            raise StoreUnavailable(
                "the ledger cannot be written, try again later", detail=str(error)
            ) from error

    def append(self, line: bytes) -> bool:
        """Copy a line; once this returns True it survives the process. False where there is no room."""
        end = self.end + len(line)
        if end > self._size:
            return False
        self._memory[self.end : end] = line
        self.end = end
        return True

    def close(self) -> None:
        """Let go of the file, cut to what was written; nothing fits any more."""
        self._size = 0
        self._memory.close()
        os.ftruncate(self._file, self.end)
        os.close(self._file)
