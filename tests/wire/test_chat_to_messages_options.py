from __future__ import annotations

from typing import Any

import pytest
from anthropic_samples import OPUS, SIGNATURE, USER, call, tool, translated
from msgspec.structs import replace

from gateway.errors import InvalidRequest
from gateway.exchange import Target
from gateway.wire.chat_to_messages.options import DEFAULT_MAX_TOKENS

SMALL = replace(OPUS, max_output_tokens=8_000)


@pytest.mark.parametrize(
    ("fields", "target", "expected"),
    [
        ({}, OPUS, DEFAULT_MAX_TOKENS),
        ({}, SMALL, 8_000),
        ({"max_tokens": None}, OPUS, DEFAULT_MAX_TOKENS),
        ({"max_tokens": 50}, OPUS, 50),
        ({"max_tokens": 50, "max_completion_tokens": 60}, OPUS, 60),
        ({"max_tokens": 100_000}, OPUS, 32_000),
        ({"reasoning_effort": "medium"}, OPUS, DEFAULT_MAX_TOKENS + 8_192),
        ({"reasoning_effort": "high"}, OPUS, 32_000),
    ],
)
def test_max_tokens(fields: dict[str, Any], target: Target, expected: object) -> None:
    """The limit is the client's, or a default that leaves room to think, never beyond the model's."""
    assert translated(target, **fields)["max_tokens"] == expected


@pytest.mark.parametrize(
    ("fields", "budget"),
    [
        ({}, None),
        ({"reasoning_effort": "none"}, None),
        ({"reasoning_effort": None}, None),
        ({"reasoning_effort": "minimal"}, 1_024),
        ({"reasoning_effort": "low"}, 2_048),
        ({"reasoning_effort": "high"}, 16_000),
        ({"reasoning_effort": "high", "max_tokens": 10_000}, 5_000),
        ({"reasoning_effort": "high", "max_tokens": 2_047}, None),
        ({"thinking": {"type": "enabled", "budget_tokens": 3_000}, "reasoning_effort": "high"}, 3_000),
        ({"thinking": {"type": "enabled"}}, 8_192),
        ({"thinking": {"type": "disabled"}, "reasoning_effort": "high"}, None),
        ({"thinking": {"type": "enabled", "budget_tokens": 10}}, 1_024),
    ],
)
def test_thinking_budget(fields: dict[str, Any], budget: int | None) -> None:
    """Effort is a budget of at least 1,024 and at most half of what may be written."""
    expected = None if budget is None else {"type": "enabled", "budget_tokens": budget}

    assert translated(**fields).get("thinking") == expected


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [tool()], "tool_choice": "required"},
        {"messages": [USER, {"role": "assistant", "content": "Dear"}]},
        {
            "messages": [
                USER,
                {"role": "assistant", "tool_calls": [call("a")]},
                {"role": "tool", "tool_call_id": "a", "content": "x"},
            ],
            "tools": [tool()],
        },
    ],
)
def test_no_thinking_where_refused(fields: dict[str, Any]) -> None:
    """Forced tools, prefills and tool results after unsigned calls exclude thinking."""
    body = translated(reasoning_effort="high", temperature=0.3, **fields)

    assert "thinking" not in body
    assert body["temperature"] == 0.3


def test_thinking_goes_on_after_signed_calls() -> None:
    """A tool loop whose signed thinking came back may think again."""
    signed = [{"type": "thinking", "thinking": "hm", "signature": SIGNATURE}]
    said = [
        USER,
        {"role": "assistant", "tool_calls": [call("a")], "thinking_blocks": signed},
        {"role": "tool", "tool_call_id": "a", "content": "x"},
    ]

    assert "thinking" in translated(messages=said, tools=[tool()], reasoning_effort="low")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"temperature": 1.7}, {"temperature": 1.0}),
        ({"temperature": 0, "top_p": 0.5}, {"temperature": 0.0}),
        ({"top_p": 0.5, "temperature": None}, {"top_p": 0.5}),
        ({"temperature": 0.2, "top_p": 0.5, "reasoning_effort": "low"}, {}),
    ],
)
def test_sampling(fields: dict[str, Any], expected: object) -> None:
    """Temperature ends at 1 and excludes top_p; thinking excludes both."""
    body = translated(**fields)

    assert {name: body[name] for name in ("temperature", "top_p") if name in body} == expected


@pytest.mark.parametrize(
    ("stop", "expected"),
    [("END", ["END"]), (["a", " \n", "b"], ["a", "b"]), (["\n"], None), (None, None)],
)
def test_stop(stop: object, expected: object) -> None:
    """Blank stop texts are refused by Anthropic and left out."""
    assert translated(stop=stop).get("stop_sequences") == expected


def test_unknown_effort() -> None:
    """An effort nobody knows is refused by name."""
    with pytest.raises(InvalidRequest, match="`immense`") as caught:
        translated(reasoning_effort="immense")

    assert caught.value.param == "reasoning_effort"
