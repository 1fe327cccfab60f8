"""A client that knows only `/openapi.json` and says whatever fits it, or does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from client import WRONG_KEY
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy
from running_gateway import MASTER_KEY
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from stage import Stage, open_stage

from gateway import openapi
from gateway.routers import ROUTES

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
SCHEMA = schemathesis.openapi.from_dict(openapi.document(ROUTES))
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]
PLAYS = [
    pytest.param(operation, mode, id=f"{operation.label}-{mode.value}")
    for operation in OPERATIONS
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or operation.definition.raw.get("security")
]
"""What is public takes nothing, so nothing about it can be said wrongly."""
EACH = settings(
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Give a gateway of its own, whose books may fill with nonsense."""
    with open_stage(tmp_path_factory.mktemp("fuzzed")) as opened:
        yield opened


def hold(stage: Stage, key: str, cases: SearchStrategy[schemathesis.Case], count: int) -> None:
    """Send cases and hold each answer against the document."""

    @settings(EACH, max_examples=count)
    @given(case=cases)
    def say(case: schemathesis.Case) -> None:
        answer = case.call(base_url=stage.url, headers={"authorization": f"Bearer {key}"}, timeout=5)
        guarded = case.operation.definition.raw.get("security")
        assert key == MASTER_KEY or not guarded or answer.status_code == 401
        case.validate_response(answer, checks=CHECKS)

    say()


@pytest.mark.parametrize(("operation", "mode"), PLAYS)
def test_operation(fuzzed: Stage, operation: APIOperation, mode: GenerationMode) -> None:
    """No answer is a defect of ours, and every answer is one the document declares."""
    hold(fuzzed, MASTER_KEY, operation.as_strategy(generation_mode=mode), 5)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_wrong_key(fuzzed: Stage, operation: APIOperation) -> None:
    """Without a key nothing is learnt, whatever is said."""
    hold(fuzzed, WRONG_KEY, operation.as_strategy(), 2)
