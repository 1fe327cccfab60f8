from __future__ import annotations

from typing import Any

import pytest
from anthropic_samples import messages, text

from gateway.wire.anthropic_messages import AnthropicMessages
from policies.facts import Turn

IMAGE = {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}}


def read(*said: dict[str, Any], **fields: object) -> list[Turn]:
    """Return a conversation's turns, newest first."""
    return list(AnthropicMessages().turns(messages(messages=list(said), **fields)))


def test_newest_first_and_system_last() -> None:
    """Turns come newest first; the system prompt is last, in either form."""
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": [text("b")]}]

    assert [(turn.role, turn.parts) for turn in read(*said, system="s")] == [
        ("assistant", ("b",)),
        ("user", ("a",)),
        ("system", ("s",)),
    ]
    assert read(*said, system=[text("s"), text("t")])[-1].parts == ("s", "t")


def test_results_and_words_are_two_turns() -> None:
    """A human's words beside tool results are a turn of their own, the newer one."""
    results = [
        {"type": "tool_result", "tool_use_id": "a", "content": "one"},
        {"type": "tool_result", "tool_use_id": "b", "content": [text("two"), IMAGE], "is_error": True},
    ]

    words, answered = read({"role": "user", "content": [*results, text("and?"), IMAGE]})

    assert words == Turn(role="user", parts=("and?",), images=1)
    assert answered == Turn(role="tool", parts=("one", "two"), tool_failed=True, images=1)


def test_results_alone_are_one_turn() -> None:
    """Results without words are no human's turn."""
    result = {"type": "tool_result", "tool_use_id": "a"}

    assert read({"role": "user", "content": [result]}) == [Turn(role="tool")]


@pytest.mark.parametrize(("given", "broken"), [({"a": 1}, False), ("{", True), (None, True)])
def test_tool_calls(given: object, broken: bool) -> None:  # noqa: FBT001 - a table's column
    """Calls are told by name; an input that is no object is a broken call."""
    said = [
        {"type": "thinking", "thinking": "hm", "signature": "x"},
        text("look"),
        {"type": "tool_use", "id": "t", "name": "read", "input": given},
    ]

    assert read({"role": "assistant", "content": said}) == [
        Turn(role="assistant", parts=("look",), tool_calls=("read",), tool_arguments_broken=broken)
    ]


def test_system_message_among_the_others() -> None:
    """A system message in mid-conversation is system text, not a human's."""
    turns = read({"role": "user", "content": "a"}, {"role": "system", "content": "s"})

    assert [(turn.role, turn.parts) for turn in turns] == [("user", ("a",)), ("system", ("s",))]


@pytest.mark.parametrize("system", ["s", {"odd": "secret plan"}])
def test_nothing_hides_in_what_does_not_fit(system: object) -> None:
    """Messages that do not fit the dialect are read as their own text."""
    turns = read({"role": "user", "content": [{"type": "text", "text": 5, "x": "attack"}]}, system=system)

    assert "attack" in turns[0].parts[0]
    assert turns[-1].role == "system"
    assert turns[-1].parts
