"""Print the table, and draw the curves if asked to; see the package's docstring."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import click

from benchmarks.serving.load import Load, Measured
from benchmarks.serving.targets import Target, running

REFERENCE, ALONE = "aiohttp", "direct"


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of request."""

    body_bytes: int = 8_192
    events: int = 0
    """Events of the streamed answer; 0: one JSON answer."""
    connections: int = 32
    rate: float = 0.0
    """Requests a second; 0: a closed loop."""
    translated: bool = False
    """Whether the gateway's vendor speaks Anthropic's dialect, so that every event is translated."""


CASES = {
    "json-8k": Case(),
    "json-128k": Case(body_bytes=131_072),
    "sse-200": Case(events=200),
    "sse-200-translated": Case(events=200, translated=True),
    "json-8k-c1000": Case(connections=1_000),
    "json-8k-20/s": Case(rate=20),
    "json-8k-500/s": Case(rate=500),
}
CURVES: dict[str, tuple[str, list[tuple[float, Case]]]] = {
    "body": ("KB of request", [(kb, Case(body_bytes=kb * 1024)) for kb in (1, 8, 32, 128, 256)]),
    "stream": ("events in the answer", [(n, Case(events=n)) for n in (10, 50, 200, 800)]),
    "connections": ("connections", [(n, Case(connections=n)) for n in (1, 32, 256, 1_000)]),
}


@dataclass(frozen=True, slots=True)
class Cost:
    """What one target spent in one round."""

    cpu_ms: float
    measured: Measured


def measure(target: Target, case: Case, seconds: float) -> Cost:
    """Load one target and return its CPU milliseconds a request."""
    load = Load(
        port=target.port,
        path=target.path,
        headers=target.headers,
        body_bytes=case.body_bytes,
        stream=case.events > 0,
        connections=case.connections,
        seconds=seconds,
        rate=case.rate,
    )
    before = target.cpu_s()
    measured = load.run_apart()
    if measured.failures or not measured.answers:
        raise SystemExit(f"{target.name}: {measured.failures} of {measured.answers} requests failed")
    return Cost(1000 * (target.cpu_s() - before) / measured.answers, measured)


def compare(case: Case, rounds: int, seconds: float) -> dict[str, list[Cost]]:
    """Return every target's costs, round by round; the first visit warms up and does not count."""
    with running(max(case.events, 1), translated=case.translated) as targets:
        for target in targets:
            measure(target, case, 0.5)
        visits = [{target.name: measure(target, case, seconds) for target in targets} for _ in range(rounds)]
    return {target.name: [visit[target.name] for visit in visits] for target in targets}


def median(costs: Sequence[Cost], of: Callable[[Cost], float]) -> float:
    """Return the rounds' median of one figure."""
    return statistics.median(of(cost) for cost in costs)


def print_case(name: str, found: dict[str, list[Cost]]) -> None:
    """Print one block of the table; what a target adds to the latency is told against the vendor alone."""
    for target, costs in found.items():
        pairs = zip(costs, found[REFERENCE], strict=True)
        ratio = statistics.median(mine.cpu_ms / theirs.cpu_ms for mine, theirs in pairs)
        rate = median(costs, lambda c: c.measured.answers / c.measured.seconds)
        added = [
            statistics.median(
                getattr(mine.measured, of) - getattr(alone.measured, of)
                for mine, alone in zip(costs, found[ALONE], strict=True)
            )
            for of in ("p50_ms", "p99_ms")
        ]
        cpu = median(costs, lambda c: c.cpu_ms)
        click.echo(
            f"| {name} | {target} | {cpu:.3f} | {ratio:.2f}x | {rate:.0f} | {added[0]:.2f} | {added[1]:.2f} |"
        )


def draw(folder: Path, rounds: int, seconds: float) -> None:
    """Measure the curves and write one SVG each."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    for name, (label, points) in CURVES.items():
        found = [(x, compare(case, rounds, seconds)) for x, case in points]
        figure, axes = plt.subplots(figsize=(5, 3.2))
        for target in found[0][1]:
            axes.plot(
                [x for x, _ in found],
                [median(costs[target], lambda c: c.cpu_ms) for _, costs in found],
                marker="o",
                label=target,
            )
        axes.set(xscale="log", yscale="log", xlabel=label, ylabel="CPU ms a request")
        axes.legend(frameon=False)
        figure.tight_layout()
        figure.savefig(folder / f"cost-by-{name}.svg", metadata={"Date": None})
        click.echo(f"wrote {folder / f'cost-by-{name}.svg'}")


@click.command(help=__doc__)
@click.option("--cases", default=",".join(CASES), help="Which rows of the table, by name.")
@click.option("--rounds", default=3, help="Visits to every target.")
@click.option("--seconds", default=3.0, help="Length of one visit.")
@click.option("--plots", type=click.Path(path_type=Path), help="Folder to draw the curves into as SVG.")
def main(cases: str, rounds: int, seconds: float, plots: Path | None) -> None:
    """Measure what was asked for."""
    unknown = [name for name in cases.split(",") if name not in CASES]
    if unknown:
        raise click.UsageError(f"no case `{unknown[0]}`; there are {', '.join(CASES)}")
    parts = ", ".join(f"{name} {version(name)}" for name in ("aiohttp", "httptools", "msgspec", "uvloop"))
    click.echo(f"Python {platform.python_version()}, {parts}; {rounds} rounds of {seconds:g} s")
    click.echo(
        "| case | target | CPU ms/request | against aiohttp | requests/s | added p50 ms | added p99 ms |"
    )
    click.echo("|---|---|---|---|---|---|---|")
    for name in cases.split(","):
        print_case(name, compare(CASES[name], rounds, seconds))
    if plots:
        draw(plots, rounds, seconds)


if __name__ == "__main__":
    main()
