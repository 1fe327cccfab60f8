from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic_samples import OPUS, SIGNATURE, USER, messages, text

from gateway.wire.anthropic_signatures import is_signature
from gateway.wire.messages_to_messages import MessagesToMessages

OWN = {"type": "thinking", "thinking": "hm", "signature": SIGNATURE}
FOREIGN = OWN | {"signature": "a3f0c1"}
CALL = {"type": "tool_use", "id": "t", "name": "f", "input": {"n": 1.0}}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]}
THINK = {"thinking": {"type": "enabled", "budget_tokens": 2_000}}


def sent(*said: dict[str, Any], **fields: object) -> dict[str, Any]:
    """Return the body Claude gets."""
    body: dict[str, Any] = json.loads(
        MessagesToMessages().request(messages(messages=list(said), **fields), OPUS)
    )
    return body


def reply(*blocks: dict[str, Any]) -> dict[str, Any]:
    """Return an assistant's message."""
    return {"role": "assistant", "content": list(blocks)}


@pytest.mark.parametrize(
    "signature", [None, "", "a3f0c1d2e3f4a5b6c7d8e9f0a1b2c3d4", "c6cb1e8c-6a4e-4b5e", "sig"]
)
def test_foreign_signatures_go_and_words_stay(signature: str | None) -> None:
    """Thinking that another model signed is taken out; what was said stays."""
    body = sent(USER, reply(OWN | {"signature": signature}, text("so")), USER, **THINK)

    assert body["messages"][1] == reply(text("so"))
    assert body["thinking"] == THINK["thinking"]


def test_own_signatures_pass_byte_for_byte() -> None:
    """A history of Anthropic's own is not touched."""
    request = messages(
        messages=[USER, reply(OWN, {"type": "redacted_thinking", "data": SIGNATURE}, CALL), RESULT]
    )

    body = MessagesToMessages().request(request, OPUS)

    assert body == request.raw.replace(b'"claude-x"', b'"claude-opus-4-1"')


def test_an_emptied_turn_goes() -> None:
    """A turn of foreign thinking alone is left out; Anthropic joins the turns round it."""
    assert sent(USER, reply(FOREIGN), USER)["messages"] == [USER, USER]


def test_thinking_stops_where_its_block_is_gone() -> None:
    """Between a call whose thinking went and its result, Anthropic would refuse to think."""
    body = sent(USER, reply(FOREIGN, CALL), RESULT, **THINK)

    assert body["messages"][1] == reply(CALL)
    assert "thinking" not in body


def test_thinking_goes_on_after_a_later_turn() -> None:
    """Old calls do not matter once the assistant has spoken again."""
    body = sent(USER, reply(FOREIGN, CALL), RESULT, reply(OWN, text("done")), USER, **THINK)

    assert body["thinking"] == THINK["thinking"]


def test_the_word_alone_is_no_thinking() -> None:
    """A user who writes about thinking blocks is left alone."""
    said = [{"role": "user", "content": [text('{"type":"thinking"}')]}, reply(text('"thinking"')), USER]

    assert sent(*said)["messages"] == said


@pytest.mark.parametrize(
    "signature",
    [
        SIGNATURE,
        "ErUBCkYIBxgCIkDXGBHrsLKhjz3LGk2yxjVvpcFnM5G7aWQ2hH0zQcZx",
        "EmwKAhgBEgy3va3pzix/LafPsn4aDFIT2Xlxh0L5L8rLVyIwxtE3rAFBa8cr3qpP",
    ],
)
def test_published_signatures_are_known(signature: str | None) -> None:
    """Signatures of the form Anthropic publishes are taken for its own."""
    assert is_signature(signature)
