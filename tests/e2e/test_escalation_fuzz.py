"""The escalation API against generated input: an answer of the declared shape, or a clear refusal."""

from __future__ import annotations

import asyncio

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from running_gateway import Running
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance

OPERATIONS = (
    ("POST", "/v1/escalation/detect"),
    ("POST", "/v1/escalation/analyze"),
    ("POST", "/v1/escalation/validate"),
    ("POST", "/v1/escalation/feedback"),
    ("GET", "/v1/escalation/statistics"),
    ("GET", "/v1/escalation/suggestions"),
)
EXAMPLES = 20


def fuzz(url: str, key: str, operation: tuple[str, str], mode: GenerationMode) -> None:
    """Send generated cases of one operation, fit for it or not."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    method, path = operation

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=schema[path][method].as_strategy(generation_mode=mode))
    def send(case: schemathesis.Case) -> None:
        body = case.body if isinstance(case.body, dict) else {}
        assume(not isinstance(body.get("policy"), dict))  # a back-test is a process of its own
        response = case.call(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=20)
        case.validate_response(response, checks=[not_a_server_error, response_schema_conformance])

    send()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
async def test_generated_input(gateway: Running, key: str, mode: GenerationMode) -> None:
    """No generated request gets a 5xx, and every answer has the shape the document declares."""
    for operation in OPERATIONS:
        await asyncio.to_thread(fuzz, gateway.url, key, operation, mode)
