"""Several processes behind one port: started, watched, started again when they die, stopped together."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

import msgspec
import structlog

from gateway.errors import ConfigError, GatewayError

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0
_STEADY_S = 30.0
"""A worker that lived this long is started again at once when it dies."""
_GRACE_S = 10.0
"""How long past its drain time a worker may take before it is killed."""
_START_S = 120.0
_WATCHED = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


class Leash(msgspec.Struct, frozen=True):
    """What ties a worker to its supervisor: how it says that it serves, and how it learns to be alone."""

    ready_fd: int
    life_fd: int
    """Readable once the supervisor is gone."""

    def tell_ready(self) -> None:
        """Say that requests are being served."""
        os.write(self.ready_fd, b"+")


Work = Callable[[int, Leash], None]
"""What the worker of a number does until it is told to stop; raises GatewayError if it cannot begin."""


class _Worker(msgspec.Struct):
    pid: int
    ready_fd: int
    started_s: float
    pause_s: float = 0.0


class Supervisor:
    """Runs `count` workers; must be used before any thread or event loop exists in this process."""

    def __init__(self, count: int, work: Work, *, drain_s: float) -> None:
        self._count, self._work, self._drain_s = count, work, drain_s
        self._workers: dict[int, _Worker] = {}
        self._due: dict[int, float] = {}
        self._life_fd, self._alive_fd = os.pipe()
        self._log = structlog.get_logger("gateway")

    def run(self, ready: Callable[[], None]) -> None:
        """Serve until SIGTERM or SIGINT; raise ConfigError if a worker cannot begin at all."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        try:
            for number in range(self._count):
                self._start(number)
            for worker in self._workers.values():
                _await_ready(worker)
            ready()
            self._watch()
        finally:
            self._stop()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)

    def _watch(self) -> None:
        while True:
            caught = signal.sigtimedwait(_WATCHED, 0.5)
            if caught is not None and caught.si_signo != signal.SIGCHLD:
                self._log.info("draining", seconds=self._drain_s)
                return
            self._bury()
            now = time.monotonic()
            for number in [n for n, due_s in self._due.items() if due_s <= now]:
                del self._due[number]
                self._start(number)

    def _bury(self) -> None:
        """Note which workers have died, and when each is to be started again."""
        now = time.monotonic()
        for number, worker in self._workers.items():
            if worker.pid == 0:
                continue
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if pid == 0:
                continue
            os.close(worker.ready_fd)
            steady = now - worker.started_s >= _STEADY_S
            pause_s = 0.0 if steady else min(_LONGEST_PAUSE_S, worker.pause_s * 2 or _FIRST_PAUSE_S)
            self._log.error(
                "worker_died", worker=number, status=os.waitstatus_to_exitcode(status), again_in_s=pause_s
            )
            self._workers[number] = _Worker(0, -1, now, pause_s)
            self._due[number] = now + pause_s

    def _start(self, number: int) -> None:
        known = self._workers.get(number)
        ready_fd, told_fd = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(ready_fd)
            os.close(self._alive_fd)
            _become_worker(lambda: self._work(number, Leash(told_fd, self._life_fd)), told_fd)
        os.close(told_fd)
        self._workers[number] = _Worker(pid, ready_fd, time.monotonic(), known.pause_s if known else 0.0)

    def _stop(self) -> None:
        """End all workers, and wait for them; those that outlast their drain time are killed."""
        pids = [worker.pid for worker in self._workers.values() if worker.pid]
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + self._drain_s + _GRACE_S
        while pids and time.monotonic() < deadline:
            signal.sigtimedwait((signal.SIGCHLD,), 0.1)
            pids = [pid for pid in pids if os.waitpid(pid, os.WNOHANG)[0] == 0]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _await_ready(worker: _Worker) -> None:
    """Return once a worker serves; raise ConfigError with its own words when it ends before."""
    if not select.select([worker.ready_fd], [], [], _START_S)[0]:
        raise ConfigError(f"a worker did not begin to serve within {_START_S:g} seconds; see the log")
    told = os.read(worker.ready_fd, 4096)
    if told != b"+":
        raise ConfigError(told.decode("utf-8", "replace") or "a worker ended before it served; see the log")


def _become_worker(work: Callable[[], None], told_fd: int) -> NoReturn:
    """Do the work as a process of its own, and never return into the supervisor's code."""
    code = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _leave)  # until the event loop takes over
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        work()
        code = 0
    except GatewayError as error:
        os.write(told_fd, error.message.encode()[:4096])
    except SystemExit:
        code = 0
    except BaseException:  # noqa: BLE001 - it is logged, and this process ends here
        structlog.get_logger("gateway").exception("worker_failed")
    finally:
        sys.stderr.flush()
        os._exit(code)


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)
