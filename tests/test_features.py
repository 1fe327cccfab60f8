from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from exchange_samples import GLM, OPUS, PRINCIPAL, make_exchange, make_reach
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidRequest, ModelNotFound
from gateway.exchange import ChatRequest
from gateway.features import (
    bound_text,
    bound_tokens,
    declared_context,
    resolve_model,
    route_wish,
    session_id,
    system_head,
)
from gateway.wire.openai_chat import OpenAIChat

FLEET = make_reach().fleet
ALIASES = {"gpt-*": "auto", "fast": GLM, "gone": "nobody", "claude-*": "auto"}


def parse(*messages: Mapping[str, object], **more: object) -> ChatRequest:
    """Return the request a client would send."""
    return OpenAIChat().parse_request(json.dumps({"model": "auto", "messages": messages, **more}).encode())


@pytest.mark.parametrize(
    ("name", "pinned"),
    [("auto", ()), (GLM, (GLM,)), ("gpt-4o", ()), ("fast", (GLM,)), (OPUS, (OPUS,)), ("claude-opus-9", ())],
)
def test_resolves(name: str, pinned: tuple[str, ...]) -> None:
    """A deployment's name is a pin, even where an alias would match; an alias is what it stands for."""
    assert resolve_model(name, FLEET, ALIASES) == pinned


@pytest.mark.parametrize("name", ["llama", "", "gone", "AUTO", "gpt"])
def test_unknown_model(name: str) -> None:
    """A name nobody configured does not exist."""
    with pytest.raises(ModelNotFound):
        resolve_model(name, FLEET, ALIASES)


@pytest.mark.parametrize(
    ("value", "wish"), [("premium", "premium"), (" Base ", "base"), ("AUTO", "auto"), (None, None)]
)
def test_route_wish(value: str | None, wish: str | None) -> None:
    """A wish is read without regard to case and space."""
    assert route_wish({} if value is None else {"x-gateway-route": value}, PRINCIPAL) == wish


def test_route_wish_not_understood() -> None:
    """A typo is refused even by a team that ignores wishes."""
    with pytest.raises(InvalidRequest, match="`premum` is not a route"):
        route_wish({"x-gateway-route": "premum"}, PRINCIPAL)


@given(st.text(max_size=400))
def test_bound_is_above_any_tokenizer(text: str) -> None:
    """The bound is never below a quarter of the ASCII bytes and half of the other characters."""
    wide = sum(not c.isascii() for c in text)
    assert bound_text(text) >= (len(text) - wide) / 4 + wide / 2
    assert bound_tokens(parse({"role": "user", "content": text})) >= len(text) / 4


@pytest.mark.parametrize("text", ["7,3," * 500, "90817263" * 200, "QmFz" * 500, "12.50,7.25\n" * 100])
def test_dense_text(text: str) -> None:
    """Digits, capitals and commas may be a token each."""
    assert bound_text(text) >= sum(c.isdigit() or c.isupper() or c == "," for c in text)


def test_image_bytes_are_not_text() -> None:
    """A picture of a megabyte counts as a picture, not as a book."""
    url = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10**6}}
    small = bound_tokens(parse({"role": "user", "content": [url]}))
    assert 1_600 < small < 4_000


def test_declared_by_header_and_body() -> None:
    """What the header declares wins over the body; what is no known name is a tag."""
    request = parse({"role": "user", "content": "x"}, metadata={"service": "a", "colour": "red"})
    declared = declared_context(request, {"x-gateway-metadata": '{"service": "b", "squad": "core"}'})
    assert declared.service == "b"
    assert declared.tags == (("colour", "red"), ("squad", "core"))


@pytest.mark.parametrize("value", ["", "{", "[]", '{"a": 1}', '"x"', "\udcff"])
def test_declared_not_understood(value: str) -> None:
    """A header that is no object of strings is refused by name."""
    with pytest.raises(InvalidRequest) as refused:
        declared_context(parse({"role": "user", "content": "x"}), {"x-gateway-metadata": value})
    assert refused.value.param == "x-gateway-metadata"


def test_session_from_header() -> None:
    """The client's own name for the conversation counts, made fit to be written down."""
    request = parse({"role": "user", "content": "x"})
    assert session_id(request, {"x-session-id": "abc"}) == "abc"
    odd = session_id(request, {"x-session-id": "\udcff" + "é" * 500})
    assert odd.isascii()
    assert len(odd) == 128


def test_session_from_its_beginning() -> None:
    """Without a name, later turns of one conversation share its id and others do not."""
    first = [{"role": "system", "content": "s"}, {"role": "user", "content": "hello"}]
    later = [*first, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "more"}]
    other = [{"role": "system", "content": "s"}, {"role": "user", "content": "bye"}]
    assert session_id(parse(*first), {}) == session_id(parse(*later), {}) != session_id(parse(*other), {})


def test_system_head() -> None:
    """Clients are recognised by a system prompt only."""
    assert "You are" in system_head(parse({"role": "system", "content": "You are\nhelpful"}))
    assert system_head(parse({"role": "user", "content": "You are"})) == ""


def test_exchange_holds_facts() -> None:
    """The facts of a request are those its decision was made from."""
    facts = make_exchange(body={"max_tokens": 7, "n": 3}).features
    assert (facts.max_output_tokens, facts.choices, facts.ask.text) == (7, 3, "sort these lines")
