"""Metrics of all workers from whichever of them is asked: each gives its own to the others on request.

Nothing is written per request. Every sample carries a `worker` label, so a worker that was started again is
a counter that was reset, as Prometheus expects; sums are the query's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

_TIMEOUT_S = 1.0
_SUFFIX = ".metrics"


class Siblings:
    """The workers of one machine, each behind a socket in a folder that is theirs alone."""

    def __init__(self, folder: Path, number: int) -> None:
        self._folder, self._number = folder, number
        self._server: asyncio.AbstractServer | None = None

    async def start(self, exposition: Callable[[], bytes]) -> None:
        """Give our metrics to whoever connects."""

        async def tell(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(exposition())
            await writer.drain()
            writer.close()

        path = self._folder / f"{self._number}{_SUFFIX}"
        path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(tell, path)

    async def close(self) -> None:
        """Give no more."""
        if self._server is not None:
            self._server.close()

    async def exposition(self) -> bytes:
        """Return the metrics of every worker that answers."""
        paths = sorted(self._folder.glob(f"*{_SUFFIX}"))
        told = await asyncio.gather(*(_ask(path) for path in paths))
        return merge((path.stem, text) for path, text in zip(paths, told, strict=True) if text)


async def _ask(path: Path) -> str:
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(path)
            text = await reader.read()
            writer.close()
    except (OSError, TimeoutError):  # it is gone, or busy with its end
        return ""
    return text.decode()


def merge(expositions: Iterable[tuple[str, str]]) -> bytes:
    """Return expositions by worker as one: families together, each sample labelled with its worker."""
    families: dict[str, list[str]] = {}
    described: dict[str, list[str]] = {}
    for worker, text in expositions:
        family = ""
        for line in text.splitlines():
            if line.startswith("# "):
                family = line.split(" ", 3)[2]
                known = described.setdefault(family, [])
                if line not in known:
                    known.append(line)
            elif line:
                families.setdefault(family, []).append(_labelled(line, worker))
    lines = (line for family, about in described.items() for line in (*about, *families.get(family, ())))
    return "".join(f"{line}\n" for line in lines).encode()


def _labelled(sample: str, worker: str) -> str:
    name, brace, rest = sample.partition("{")
    if brace:
        return f'{name}{{worker="{worker}",{rest}'
    name, _, value = sample.partition(" ")
    return f'{name}{{worker="{worker}"}} {value}'
