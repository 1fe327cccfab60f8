"""What holds for every pair of a client's and an upstream's dialect."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import get_args

import pytest
from anthropic_samples import chat, messages
from hypothesis import given, settings
from hypothesis import strategies as st
from matrix_samples import (
    BRIDGES,
    DONE,
    USAGE,
    anthropic_client,
    called,
    carried,
    chunk,
    openai_client,
    responses,
)

from gateway.exchange import ChatRequest
from gateway.wire import build_codecs
from gateway.wire.base import Relay
from policies.facts import Dialect

CORPUS = Path(__file__).parents[1] / "corpus"
ASKED: dict[str, ChatRequest] = {
    "chat": chat(stream=True),
    "messages": messages(stream=True),
    "responses": responses(stream=True, tools=[{"type": "custom", "name": "patch"}]),
}
STREAMS = [
    *(("chat", path) for path in sorted((CORPUS / "chat_streams").glob("*.sse"))),
    *(("messages", path) for path in sorted((CORPUS / "messages_streams").glob("*.sse"))),
]
PIECES = st.lists(
    st.one_of(
        st.tuples(st.just("text"), st.text(min_size=1, max_size=6)),
        st.tuples(st.just("thought"), st.text(min_size=1, max_size=6)),
        st.tuples(st.integers(0, 2), st.text(min_size=1, max_size=6)),
    ),
    min_size=1,
    max_size=12,
)
"""What a model says: text, reasoning, and texts that make up the argument of three calls."""


def relay(client: Dialect, upstream: Dialect) -> Relay:
    """Return a fresh relay for a pair."""
    return BRIDGES.between(client, upstream, "zai" if upstream == "chat" else "anthropic").relay(
        ASKED[client]
    )


def spoken(pieces: list[tuple[str | int, str]]) -> tuple[bytes, list[str]]:
    """Return the chat stream of what a model says, and the arguments of its calls."""
    stream, made = chunk({"role": "assistant", "content": ""}), ["", "", ""]
    for kind, text in pieces:
        if isinstance(kind, int):
            fragment = "" if made[kind] else '{"a":"'
            quoted = text.encode("ascii", "xmlcharrefreplace").decode().replace("\\", "/").replace('"', "'")
            fragment += "".join(letter if letter.isprintable() else "?" for letter in quoted)
            stream += called(kind, fragment, None if made[kind] else f"c{kind}", f"f{kind}")
            made[kind] += fragment
        else:
            stream += chunk({"content" if kind == "text" else "reasoning_content": text})
    stream += b"".join([called(i, '"}') for i, text in enumerate(made) if text])
    finish = "tool_calls" if any(made) else "stop"
    return stream + chunk({}, finish, usage=USAGE) + DONE, [text + '"}' for text in made if text]


def joined(pieces: list[tuple[str | int, str]], kind: str) -> str:
    """Return all of one kind that was said."""
    return "".join([text for one, text in pieces if one == kind])


def test_every_client_reaches_every_upstream() -> None:
    """There is a codec for each dialect, and a bridge from each that talks to both dialects vendors speak."""
    assert build_codecs().keys() == set(get_args(Dialect))
    for client, upstream in product(ASKED, ("chat", "messages")):
        assert BRIDGES.between(client, upstream, "x")


@pytest.mark.parametrize(("upstream", "path"), STREAMS, ids=lambda value: getattr(value, "stem", value))
@pytest.mark.parametrize("client", ASKED)
@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(min_value=0), max_size=12))
def test_chunking_does_not_matter(client: Dialect, upstream: Dialect, path: Path, cuts: list[int]) -> None:
    """A stream gives the same bytes and the same count however it is cut."""
    whole, cut = relay(client, upstream), relay(client, upstream)

    assert carried(cut, path.read_bytes(), cuts) == carried(whole, path.read_bytes())
    assert (cut.usage, cut.delivered_tokens) == (whole.usage, whole.delivered_tokens)


@settings(max_examples=30, deadline=None)
@given(pieces=PIECES)
def test_anthropics_client_reads_what_was_said(pieces: list[tuple[str | int, str]]) -> None:
    """In whatever order a model speaks, thinks and calls, Anthropic's client gets all of it."""
    stream, made = spoken(pieces)

    with anthropic_client(carried(relay("messages", "chat"), stream)).messages.stream(
        model="m", max_tokens=9, messages=[]
    ) as one:
        content = one.get_final_message().content

    assert "".join(block.text for block in content if block.type == "text") == joined(pieces, "text")
    assert "".join(block.thinking for block in content if block.type == "thinking") == joined(
        pieces, "thought"
    )
    inputs = {block.id: block.input["a"] for block in content if block.type == "tool_use"}
    assert sorted(inputs.values()) == sorted(text[6:-2] for text in made)


@settings(max_examples=30, deadline=None)
@given(pieces=PIECES)
def test_openais_client_reads_what_was_said(pieces: list[tuple[str | int, str]]) -> None:
    """In whatever order a model speaks, thinks and calls, OpenAI's client gets all of it."""
    stream, made = spoken(pieces)

    with openai_client(carried(relay("responses", "chat"), stream)).responses.stream(
        model="m", input="x"
    ) as one:
        output = one.get_final_response().output

    texts = [part.text for item in output if item.type == "message" for part in item.content]
    thoughts = [part.text for item in output if item.type == "reasoning" for part in item.summary]
    assert "".join(texts) == joined(pieces, "text")
    assert "".join(thoughts) == joined(pieces, "thought")
    assert sorted(item.arguments for item in output if item.type == "function_call") == sorted(made)
