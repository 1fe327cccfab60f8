"""Judging and analysing tasks over HTTP."""

from __future__ import annotations

import json

import pytest
from running_gateway import CRITICAL, ROUTINE, Running

CODE = "import os\n\n\ndef pick(a, b):\n    if a and b:\n        return a\n    return eval(b)\n"
DIFF = "--- a/db.py\n+++ b/db.py\n@@ -1 +1,2 @@\n-x = 1\n+x = 2\n+cursor.execute('DROP TABLE users')\n"


async def told(gateway: Running, key: str, verb: str, task: object) -> tuple[int, dict[str, object]]:
    """Send a task and return status and body."""
    status, _, body = await gateway.post(key, task, path=f"/v1/escalation/{verb}")
    decoded: dict[str, object] = json.loads(body)
    return status, decoded


@pytest.mark.parametrize(("ask", "tier"), [(CRITICAL, "premium"), (ROUTINE, "base")])
async def test_detects_without_effect(gateway: Running, key: str, ask: str, tier: str) -> None:
    """A task meets the decision its request would, and nobody is called or booked for it."""
    body = {"model": "auto", "messages": [{"role": "user", "content": ask}]}
    for task in ({"description": ask}, {"request": body}):
        status, found = await told(gateway, key, "detect", task)
        decision = found["decision"]
        assert isinstance(decision, dict)
        assert (status, decision["tier"], found["ask"]) == (200, tier, ask)
    assert gateway.vendors.calls == []
    assert await gateway.rows("requests") == []


async def test_analyses_files_and_diff(gateway: Running, key: str) -> None:
    """Code is measured, dangerous constructs are a risk, and what cannot be known is null."""
    task = {"description": "clean up", "files": {"billing/pick.py": CODE}, "diff": DIFF}
    status, found = await told(gateway, key, "analyze", task)

    assert status == 200
    context, risk, impact = found["context"], found["risk"], found["impact"]
    assert isinstance(context, dict)
    assert isinstance(risk, dict)
    assert isinstance(impact, dict)
    assert (context["functions"], context["diff_files"], context["coverage"]) == (1, 1, 1.0)
    assert risk["security"]["score"] > 0
    assert impact["revenue"]["score"] > 0


@pytest.mark.parametrize(
    ("task", "param"),
    [
        ({}, "description"),
        ({"descripton": "x"}, "descripton"),
        ({"description": 7}, "description"),
        ({"description": "x", "metadata": {"a": 1}}, "metadata[...]"),
        ({"files": {"a.py": {}}}, "files[...]"),
        ({"description": "x", "priority": "urgent"}, "priority"),
        ({"request": {"model": "auto"}}, "messages"),
        ([], None),
    ],
)
async def test_bad_tasks(gateway: Running, key: str, task: object, param: str | None) -> None:
    """A task that cannot be read is a 400 that names the field."""
    for verb in ("detect", "analyze"):
        status, found = await told(gateway, key, verb, task)
        error = found["error"]
        assert isinstance(error, dict)
        assert (status, error["param"]) == (400, param)


async def test_counts_tokens_as_a_number(gateway: Running, key: str) -> None:
    """Anthropic clients are told how many tokens a message has, at most."""
    body = {"model": "auto", "messages": [{"role": "user", "content": "How many tokens is this?"}]}
    status, _, raw = await gateway.post(key, body, path="/v1/messages/count_tokens")

    assert status == 200
    assert 6 <= json.loads(raw)["input_tokens"] <= 30
