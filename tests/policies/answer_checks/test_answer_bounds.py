"""Checks are total and bounded, whatever the answer."""

from __future__ import annotations

import sys
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.answer_checks import CHECK_NAMES, AnswerView, Tool, ToolCall, check_answer

_PIECES = st.sampled_from(
    ["```", "```python\n", "~~~", "\n", "def f(", "{", "}", '"', "'", "\\", "\0", "\ud800", "I can't help", "é", "...", "#", " ", "'''"]
)  # fmt: skip
_TEXTS = st.one_of(st.text(), st.lists(_PIECES, max_size=40).map("".join))
_BYTES = st.one_of(st.binary(max_size=60), _TEXTS.map(lambda text: text.encode("utf-8", "replace")))


@settings(max_examples=200, deadline=None)
@given(_TEXTS, _TEXTS, _BYTES, st.sampled_from(["stop", "length", None, "odd"]))
def test_checks_are_total(answer: str, arguments: str, schema: bytes, finish: str | None) -> None:
    """Any answer gets one verdict from each check, and the same one twice."""
    view = AnswerView(
        text=answer,
        tool_calls=(ToolCall(name="t", arguments=arguments),) if arguments else (),
        finish_reason=finish,
        json_schema=schema or None,
        tools=(Tool(name="t", parameters=schema),),
    )
    results = check_answer(view, CHECK_NAMES)

    assert len(results) == len(CHECK_NAMES)
    assert results == check_answer(view, CHECK_NAMES)


@pytest.mark.parametrize(
    "answer",
    [
        "x" * 10_000_000,
        "a b " * 2_000_000,
        "```\n" * 500_000,
        "```python\n" + "(" * 60_000 + "\n```",
        "```python\n" + "[" * 200 + "lambda: " * 5_000 + "\n```",
        "```js\n" + "/*" * 30_000 + "\n```",
        "```json\n" + "[" * 60_000 + "\n```",
        "\0" * 1_000_000,
        "ab" * 130_000,
        "\n" * 1_000_000 + "x",
        "I " * 500_000,
    ],
    ids=lambda answer: repr(answer[:12]),
)
def test_hostile_answers_are_bounded(answer: str) -> None:
    """Megabytes of nonsense take a bounded number of calls (a machine's time would depend on its load)."""
    calls = count()
    sys.setprofile(lambda *_: next(calls))
    try:
        check_answer(AnswerView(text=answer, finish_reason="stop"), CHECK_NAMES)
    finally:
        sys.setprofile(None)

    assert next(calls) < 4_000_000
