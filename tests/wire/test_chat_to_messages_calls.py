from __future__ import annotations

import re

import pytest
from anthropic_samples import USER, call, turns
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidRequest
from gateway.wire.chat_to_messages.calls import safe_id


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"a": [1, 2]}', {"a": [1, 2]}),
        ("", {}),
        ("  ", {}),
        ("null", {}),
        ('{"a": ', {"invalid_json": '{"a": '}),
        ("[1]", {"invalid_json": "[1]"}),
        ('"x"', {"invalid_json": '"x"'}),
        ({"already": "an object"}, {"already": "an object"}),
    ],
)
def test_arguments_become_objects(arguments: object, expected: object) -> None:
    """Arguments are an object at Anthropic, whatever the model wrote."""
    said = {"role": "assistant", "tool_calls": [call("a", arguments=arguments)]}

    assert turns(USER, said)[1][1][0]["input"] == expected


def test_ids_of_a_history_still_meet() -> None:
    """Ids Anthropic refuses are renamed alike in call and result; legal ones stay."""
    ids = ["functions.Bash:0", "functions/Bash:0", "call_ok-1", ""]
    said = [USER, {"role": "assistant", "tool_calls": [call(i) for i in ids]}]
    said += [{"role": "tool", "tool_call_id": i, "content": "x"} for i in ids]

    _, calls, results = (blocks for _, blocks in turns(*said))

    used = [block["id"] for block in calls]
    assert used == [block["tool_use_id"] for block in results]
    assert len(set(used)) == len(ids)
    assert used[2] == "call_ok-1"


@given(st.text(), st.text())
def test_safe_ids_are_legal_and_distinct(one: str, other: str) -> None:
    """Every id maps to a legal name, and two ids to two names."""
    assert re.fullmatch("[a-zA-Z0-9_-]+", safe_id(one))
    assert (safe_id(one) == safe_id(other)) == (one == other)


def test_legacy_functions_get_ids() -> None:
    """A `function_call` and the function's message after it meet under one id."""
    said = [
        USER,
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"a":1}'}},
        {"role": "function", "name": "f", "content": "x"},
    ]

    _, calls, results = (blocks for _, blocks in turns(*said))

    assert calls == [{"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}}]
    assert results[0]["tool_use_id"] == "call_1"


def test_result_without_id() -> None:
    """A tool's message that answers nothing is refused by name."""
    with pytest.raises(InvalidRequest) as caught:
        turns(USER, {"role": "tool", "content": "x"})

    assert caught.value.param == "messages[1].tool_call_id"
