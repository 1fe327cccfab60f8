"""One gateway for all clients of a worker, and the table of what they got through."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import table
from stage import Stage, open_stage

_OUTCOMES: dict[str, bool] = {}
"""Whether each play passed, by its id."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the table be written from what was seen."""
    parser.addoption("--write-table", action="store_true", help="write docs/compatibility.md")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note how each play ended."""
    name, _, play = report.nodeid.partition("::test_client[")
    if name.endswith("test_matrix.py") and play:
        _OUTCOMES[play[:-1]] = report.passed and _OUTCOMES.get(play[:-1], True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the table if asked to."""
    is_worker = hasattr(session.config, "workerinput")
    if session.config.getoption("--write-table", default=False) and not is_worker:
        table.PAGE.write_text(table.page(lambda play: _OUTCOMES.get(play, False)), encoding="utf-8")


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Give a gateway before scripted vendors."""
    with open_stage(tmp_path_factory.mktemp("stage")) as opened:
        yield opened
