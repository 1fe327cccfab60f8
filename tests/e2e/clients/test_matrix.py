from __future__ import annotations

import pytest
from cases import CASES, Case, Play
from client import Client
from roster import CLIENTS
from stage import Stage
from table import PAGE, page, plays

PLAYS = [
    pytest.param(client, case, model, id=play)
    for client in CLIENTS
    for case in CASES
    for model, play in plays(client, case)
]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("client", "case", "model"), PLAYS)
def test_client(stage: Stage, client: type[Client], case: Case, model: str) -> None:
    """A client gets through a case on a model."""
    case.check(Play(stage, client, model))


def test_table_is_current() -> None:
    """The page names every client, version and case there is, and shows a run in which all passed."""
    assert PAGE.read_text(encoding="utf-8") == page(lambda _: True), "run `just compatibility`"


def test_exceptions_are_known() -> None:
    """Nothing is excused that does not exist, and nothing that exists lacks its method."""
    names = {case.name for case in CASES}
    for client in CLIENTS:
        assert set(client.lacks) <= names
        missing = {
            case.name for case in CASES if case.name != "typed_errors" and case.name not in client.lacks
        }
        assert {name for name in missing if not hasattr(client, name)} <= {"retry_after", "broken_stream"}
