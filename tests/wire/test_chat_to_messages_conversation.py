from __future__ import annotations

import pytest
from anthropic_samples import SIGNATURE, USER, call, text, translated, turns

from gateway.errors import InvalidRequest
from gateway.wire.chat_to_messages.conversation import OPENER

CACHE = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


def test_leading_system_messages_join() -> None:
    """System and developer messages in front become the system prompt, cache marks kept."""
    said = [
        {"role": "system", "content": "be brief"},
        {"role": "developer", "content": [text("be kind") | CACHE]},
        {"role": "system", "content": "", "name": "empty"},
        USER,
    ]

    body = translated(messages=said)

    assert body["system"] == [text("be brief"), text("be kind") | CACHE]
    assert [turn["role"] for turn in body["messages"]] == ["user"]


def test_late_system_message_keeps_its_place() -> None:
    """A system message in mid-conversation is told to the model where it stands."""
    late = {"role": "system", "content": "now in French"}

    assert turns(USER, {"role": "assistant", "content": "hi"}, late, USER)[-1] == (
        "user",
        [text("<system_message>\nnow in French\n</system_message>"), text("hello")],
    )


def test_results_come_first() -> None:
    """Results of parallel calls and the human's words are one turn, results in front."""
    said = [
        USER,
        {"role": "assistant", "tool_calls": [call("a"), call("b")]},
        {"role": "system", "content": "careful"},
        {"role": "tool", "tool_call_id": "a", "content": "one"},
        {"role": "tool", "tool_call_id": "b", "content": [text("two")], "is_error": True},
        {"role": "user", "content": "and?"},
    ]

    role, blocks = turns(*said)[-1]

    assert role == "user"
    assert [block["type"] for block in blocks] == ["tool_result", "tool_result", "text", "text"]
    assert blocks[0] == {"type": "tool_result", "tool_use_id": "a", "content": "one"}
    assert blocks[1]["is_error"] is True


def test_image_in_a_result() -> None:
    """A tool may answer with an image."""
    image = {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}
    said = [
        USER,
        {"role": "assistant", "tool_calls": [call("a")]},
        {"role": "tool", "tool_call_id": "a", "content": [image]},
    ]

    result = turns(*said)[-1][1][0]

    assert result["content"] == [{"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}}]


@pytest.mark.parametrize("nothing", ["", "  \n", None, [text("")]])
def test_blank_texts_go(nothing: object) -> None:
    """Anthropic refuses blank texts, so they and turns made of them are left out."""
    said = [USER, {"role": "assistant", "content": nothing}, {"role": "user", "content": "still there?"}]

    assert turns(*said) == [("user", [text("hello"), text("still there?")])]


def test_blank_result_stays() -> None:
    """A tool that said nothing still answered its call."""
    said = [
        USER,
        {"role": "assistant", "tool_calls": [call("a")]},
        {"role": "tool", "tool_call_id": "a", "content": " "},
    ]

    assert turns(*said)[-1][1] == [{"type": "tool_result", "tool_use_id": "a"}]


def test_user_goes_first() -> None:
    """A history that the assistant begins gets a word of the user's in front."""
    said = [{"role": "assistant", "content": "hi"}, USER]

    assert turns(*said)[0] == ("user", [text(OPENER)])


def test_system_alone_gets_a_turn() -> None:
    """A request of system messages only still has a turn to answer."""
    body = translated(messages=[{"role": "system", "content": "write a poem"}])

    assert body["system"] == [text("write a poem")]
    assert body["messages"] == [{"role": "user", "content": [text(OPENER)]}]


def test_prefill_is_trimmed() -> None:
    """A trailing assistant's text is continued, and may not end in white space."""
    assert turns(USER, {"role": "assistant", "content": "Dear \n"})[-1] == ("assistant", [text("Dear")])


def test_signed_thinking_stays_and_foreign_goes() -> None:
    """Only what Anthropic signed is sent back; the words said stay either way."""
    own = {"type": "thinking", "thinking": "hm", "signature": SIGNATURE}
    sealed = {"type": "redacted_thinking", "data": SIGNATURE}
    foreign = [
        own | {"signature": "a1b2c3d4e5f6"},
        own | {"signature": ""},
        {"type": "thinking", "thinking": "hm"},
    ]
    reply = {
        "role": "assistant",
        "content": "so",
        "reasoning_content": "hm",
        "thinking_blocks": [own, sealed, *foreign],
    }

    assert turns(USER, reply, USER)[1] == ("assistant", [own, sealed, text("so")])


def test_message_cache_mark_travels() -> None:
    """`cache_control` of a whole message marks its last block."""
    said = [
        {"role": "user", "content": [text("a"), text("b")]} | CACHE,
        {"role": "assistant", "content": "c", "tool_calls": [call("x")]} | CACHE,
        {"role": "tool", "tool_call_id": "x", "content": "d"} | CACHE,
    ]

    blocks = [block for _, content in turns(*said) for block in content]

    assert [("cache_control" in block) for block in blocks] == [False, True, False, True, True]


def test_refusal_is_said_again() -> None:
    """A refusal of an earlier turn is part of what was said."""
    said = [USER, {"role": "assistant", "content": None, "refusal": "no"}, USER]

    assert turns(*said)[1] == ("assistant", [text("no")])


def test_unknown_field_types_are_named() -> None:
    """A field of a wrong type deep in the history is refused by its path."""
    with pytest.raises(InvalidRequest) as caught:
        translated(messages=[USER, {"role": "user", "content": [{"type": "text", "text": 5}]}])

    assert caught.value.param == "messages[1].content[0].text"
