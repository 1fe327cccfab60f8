"""What a gateway takes to start and to hold: `python -m benchmarks.serving.footprint [--requests 100000]`.

Seconds from exec to the first healthy answer, on a fresh database and on one that exists; resident memory
when idle; and how it grows while requests of 8 KB are served.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import psutil

from benchmarks.serving.load import Load
from benchmarks.serving.processes import free_port, vendor
from benchmarks.serving.targets import Setup, Target, gateway

MIB = 1024 * 1024
_SETTLED_S = 1.0
_PATIENCE_S = 30.0


def start_s(config: Path, port: int) -> tuple[float, float]:
    """Start and stop a gateway; return seconds until it was healthy and MiB held a second later."""
    begun = time.perf_counter()
    child = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "gateway", "serve", "--config", str(config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not _is_healthy(port):
            if child.poll() is not None or time.perf_counter() - begun > _PATIENCE_S:
                raise SystemExit(f"the gateway does not start; try `gateway serve --config {config}`")
            time.sleep(0.005)
        took = time.perf_counter() - begun
        time.sleep(_SETTLED_S)
        return took, psutil.Process(child.pid).memory_info().rss / MIB
    finally:
        child.terminate()
        child.wait(timeout=_PATIENCE_S)


def _is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/readiness", timeout=2):
            return True
    except (urllib.error.URLError, ConnectionError):
        return False


def print_starts(rounds: int) -> None:
    """Print how long starts take, and what an idle gateway holds."""
    found: dict[str, list[tuple[float, float]]] = {"fresh database": [], "existing database": []}
    with vendor() as (vendor_port, _):
        for _round in range(rounds):
            with TemporaryDirectory() as folder:
                port, config = free_port(), Path(folder) / "config.yaml"
                config.write_bytes(Setup(vendor=vendor_port).configuration(Path(folder), port))
                for starts in found.values():
                    starts.append(start_s(config, port))
    for kind, starts in found.items():
        seconds, mib = (statistics.median(values) for values in zip(*starts, strict=True))
        click.echo(f"{kind}: healthy after {seconds:.2f} s, idle {mib:.0f} MiB (medians of {rounds})")


def print_growth(requests: int) -> None:
    """Print what the process holds as requests go by."""
    with ExitStack() as stack:
        port, _ = stack.enter_context(vendor())
        folder = Path(stack.enter_context(TemporaryDirectory()))
        target = stack.enter_context(gateway(Setup(vendor=port), folder))
        done, idle = 0, target.process.memory_info().rss / MIB
        click.echo(f"{'requests':>9s} {'MiB':>7s} {'growth':>7s}\n{done:9d} {idle:7.1f}")
        while done < requests:
            done += _load(target)
            held = target.process.memory_info().rss / MIB
            click.echo(f"{done:9d} {held:7.1f} {held / idle - 1:7.1%}")


def _load(target: Target) -> int:
    """Return how many answers came in some seconds."""
    load = Load(
        port=target.port,
        path=target.path,
        headers=target.headers,
        body_bytes=8_192,
        stream=False,
        connections=32,
        seconds=10.0,
    )
    measured = load.run_apart()
    if measured.failures:
        raise SystemExit(f"{measured.failures} of {measured.answers} requests failed")
    return measured.answers


@click.command(help=__doc__)
@click.option("--rounds", default=5, help="Starts of each kind.")
@click.option("--requests", default=100_000, help="Requests over which memory is watched; 0: none.")
def main(rounds: int, requests: int) -> None:
    """Measure what was asked for."""
    print_starts(rounds)
    if requests:
        print_growth(requests)


if __name__ == "__main__":
    main()
