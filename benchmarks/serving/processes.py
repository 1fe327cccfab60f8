"""Processes that live as long as a block, each on the cores it is given."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryFile

import psutil

_READY_S = 30.0


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(command: Sequence[str], port: int, core: int | None) -> Iterator[psutil.Process]:
    """Run a command from when it listens until the block ends, on one core or (None) on all."""
    cores = sorted(os.sched_getaffinity(0))
    wanted = set(cores) if core is None else {cores[core % len(cores)]}
    with TemporaryFile() as said:
        child = subprocess.Popen(  # noqa: S603
            command,
            stdout=subprocess.DEVNULL,
            stderr=said,
            preexec_fn=lambda: os.sched_setaffinity(0, wanted),  # noqa: PLW1509
        )
        try:
            if not _listens(child, port):
                said.seek(0)
                raise SystemExit(f"{command!r} does not listen on port {port}: {said.read().decode()}")
            yield psutil.Process(child.pid)
        finally:
            child.terminate()
            child.wait(timeout=30)


@contextmanager
def vendor() -> Iterator[tuple[int, psutil.Process]]:
    """Run the vendor; give its port."""
    port = free_port()
    with process([sys.executable, "-m", "benchmarks.serving.vendor", str(port)], port, 0) as running:
        yield port, running


def _listens(child: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until the child listens; tell whether it does before it ends or the patience does."""
    until = time.monotonic() + _READY_S
    while time.monotonic() < until and child.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.02)
    return False
