"""The table of clients and cases, made of what was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from cases import CASES, Case
from client import Client
from roster import CLIENTS

PAGE = Path(__file__).parents[3] / "docs" / "compatibility.md"
_HEAD = """\
<!-- made by `just compatibility`; edit the tests instead -->

# Compatibility

Every client below runs unchanged against a live gateway before scripted vendors: a base URL and a key are all
it is told. Each cell is tried on a model of either dialect vendors speak, GLM-4.5 over Chat Completions and
Claude Opus over Anthropic Messages, the two programs at the end on one of them. `yes` is a test that passed,
`NO` one that failed; a number says why there is nothing to try.
"""


def plays(client: type[Client], case: Case) -> Iterator[tuple[str, str]]:
    """Yield the model and the id of every play of a cell."""
    if case.name not in client.lacks:
        for model in [m for m in case.models if m in client.reached] or client.reached[:1]:
            yield model, f"{client.__name__}-{case.name}-{model}"


def page(passed: Callable[[str], bool]) -> str:
    """Return the page for plays that passed or not."""
    names = [case.name.replace("_", " ") for case in CASES]
    reasons = list(dict.fromkeys(reason for client in CLIENTS for reason in client.lacks.values()))
    lines = [_HEAD, _row("client", "version", "endpoint", *names), "|---" * (len(CASES) + 3) + "|"]
    for client in CLIENTS:
        cells = [_cell(client, case, passed, reasons) for case in CASES]
        lines.append(_row(client.title, client.version(), f"`{client.endpoint}`", *cells))
    lines += ["", *(f"{n}. {reason}" for n, reason in enumerate(reasons, 1))]
    lines += ["", "| case | what must hold |", "|---|---|"]
    lines += [_row(name, case.check.__doc__ or "") for name, case in zip(names, CASES, strict=True)]
    return "\n".join(lines) + "\n"


def _cell(client: type[Client], case: Case, passed: Callable[[str], bool], reasons: list[str]) -> str:
    if case.name in client.lacks:
        return str(reasons.index(client.lacks[case.name]) + 1)
    return "yes" if all(passed(play) for _, play in plays(client, case)) else "NO"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
