"""The connection to Redis or Valkey: one script call at a time, with all that waits in it; sole importer.

Every operation that is asked for while a call is under way goes with the next one, so a busy process
needs one round trip for hundreds of requests and an idle one for each; and operations are carried out in
the order they were asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from gateway.errors import ConfigError

PREFIX = "gateway:{state}:"
"""Of every key; the braces keep them in one slot of a cluster."""
MOST_AT_ONCE = 256
"""Operations of one call: bounds how long the server is busy with it."""
Answer = list[object]
Operation = tuple[object, ...]

_SCRIPT = (Path(__file__).parent / "scripts" / "admission.lua").read_text(encoding="utf-8")
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[Answer] | str).decode


class Lost(Exception):
    """The server did not answer, or has lost its counters; whether the operation took effect is not known."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls: the worker, and for how long it counts as alive after a call."""

    worker: str
    lease_ms: int = 15_000


class _Queue(msgspec.Struct):
    waiting: list[tuple[Operation, asyncio.Future[Answer]]] = msgspec.field(default_factory=list)
    task: asyncio.Task[None] | None = None


class RedisLink:
    """Sends operations of the admission script, batched; every failure is `Lost`."""

    def __init__(
        self,
        url: str,
        identity: Identity,
        *,
        timeout_s: float = 1.0,
        now_ms: Callable[[], float] | None = None,
        most_at_once: int = MOST_AT_ONCE,
    ) -> None:
        try:
            self._redis: Redis = Redis.from_url(
                url,
                socket_timeout=timeout_s,
                socket_connect_timeout=timeout_s,
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError:
            raise ConfigError("the redis url is not understood; use redis://<host>:<port>") from None
        self._identity = identity
        self._now_ms = now_ms
        self._most = most_at_once
        self._digest = ""
        self._queue = _Queue()
        self.epoch = ""
        """The generation of counters that operations are meant for."""

    def call(self, *operation: object) -> asyncio.Future[Answer]:
        """Return the script's answer to come; it may raise Lost."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._queue.waiting.append((operation, answer))
        if self._queue.task is None:
            self._queue.task = asyncio.create_task(self._send_all())
        return answer

    async def read_epoch(self) -> str | None:
        """Return the epoch the server is in; raise Lost."""
        try:
            found = await self._redis.get(PREFIX + "epoch")
        except (RedisError, OSError, TimeoutError) as error:
            raise Lost(type(error).__name__) from None
        return found.decode() if isinstance(found, bytes) else found

    async def write_epoch(self, epoch: str) -> None:
        """Put the server into an epoch; raise Lost."""
        try:
            await self._redis.set(PREFIX + "epoch", epoch)
        except (RedisError, OSError, TimeoutError) as error:
            raise Lost(type(error).__name__) from None

    async def close(self) -> None:
        """Send what waits, then disconnect."""
        if self._queue.task is not None:
            await asyncio.wait([self._queue.task])
        await self._redis.aclose()

    async def _send_all(self) -> None:
        queue = self._queue
        try:
            while queue.waiting:
                batch, queue.waiting = queue.waiting[: self._most], queue.waiting[self._most :]
                await self._send(batch)
        finally:
            queue.task = None

    async def _send(self, batch: list[tuple[Operation, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._run([operation for operation, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
            for _, waiting in batch:
                if not waiting.done():
                    waiting.set_exception(Lost(type(error).__name__))
            return
        for (_, waiting), answer in zip(batch, answers, strict=True):
            if not waiting.done():
                waiting.set_result(answer)

    async def _run(self, operations: list[Operation]) -> list[Answer]:
        now = "" if self._now_ms is None else repr(self._now_ms())
        who = self._identity
        arguments = (1, PREFIX, self.epoch, who.worker, str(who.lease_ms), now, _pack(operations))
        try:
            packed = await self._redis.evalsha(self._digest, *arguments)
        except NoScriptError:
            self._digest = await self._redis.script_load(_SCRIPT)
            packed = await self._redis.evalsha(self._digest, *arguments)
        answers: list[Answer] | str = _unpack(packed)
        if isinstance(answers, str):
            raise Lost(f"the server is not in epoch {self.epoch}")
        return answers
