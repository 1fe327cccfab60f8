from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import InvalidRequest, Unsupported
from gateway.exchange import Target
from gateway.wire import Bridges
from gateway.wire.openai_embeddings import OpenAIEmbeddings

CODEC = OpenAIEmbeddings()
BRIDGE = Bridges(lambda: 0.0).between("embeddings", "embeddings", "openai")
TARGET = Target(
    deployment="e", provider="openai", model="vendor-e", dialect="embeddings", max_output_tokens=0
)


@pytest.mark.parametrize("given", ["a text", ["one", "two"], [1, 2, 3], [[1, 2], [3]]])
def test_every_form_of_input(given: object) -> None:
    """Texts and token numbers, alone or in lists, are understood and travel unread."""
    raw = json.dumps({"model": "e", "input": given, "x": 1}, separators=(",", ":")).encode()
    request = CODEC.parse_request(raw)
    assert (request.model, request.stream, request.max_output_tokens) == ("e", False, 0)
    assert list(CODEC.turns(request)) == []
    assert BRIDGE.request(request, TARGET) == raw.replace(b'"e"', b'"vendor-e"')


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": "a"}, "model"),
        ({"model": "e"}, "input"),
        ({"model": "e", "input": ""}, "input"),
        ({"model": "e", "input": []}, "input"),
        ({"model": "e", "input": [""]}, "input[0]"),
        ({"model": "e", "input": [[]]}, "input[0]"),
        ({"model": "e", "input": {"text": "a"}}, "input"),
        ({"model": "e", "input": [-1]}, "input[0]"),
        ({"model": "e", "input": "a", "encoding_format": "hex"}, "encoding_format"),
        ({"model": "e", "input": "a", "dimensions": 0}, "dimensions"),
    ],
)
def test_bad_bodies_name_the_field(body: object, param: str) -> None:
    """What no vendor could serve is refused with the field at fault."""
    with pytest.raises(InvalidRequest) as caught:
        CODEC.parse_request(json.dumps(body).encode())
    assert caught.value.param == param


def test_answers_keep_their_bytes() -> None:
    """The vendor's answer is handed on as it came, with its count read from the side."""
    request = CODEC.parse_request(b'{"model":"e","input":"a"}')
    body = b'{ "data":[{"embedding":"AAAA"}], "usage":{"prompt_tokens":7,"total_tokens":7} }'
    answer = BRIDGE.answer(request, body)
    assert (answer.body, answer.fault) == (body, None)
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (7, 0)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"data":null}', b'{"error":{"message":"no"}}'])
def test_no_vectors_is_a_fault(body: bytes) -> None:
    """A 200 without a list of embeddings is the vendor's failure."""
    request = CODEC.parse_request(b'{"model":"e","input":"a"}')
    assert BRIDGE.answer(request, body).fault is not None


def test_streams_are_refused() -> None:
    """The dialect has no streams to relay."""
    with pytest.raises(Unsupported):
        BRIDGE.relay(CODEC.parse_request(b'{"model":"e","input":"a","stream":true}'))


@settings(max_examples=100, deadline=None)
@given(
    changes=st.dictionaries(
        st.sampled_from(["model", "input", "encoding_format", "dimensions", "user", "stream", "x"]),
        st.none()
        | st.integers()
        | st.text(max_size=4)
        | st.lists(st.integers() | st.text(max_size=4), max_size=3),
    )
)
def test_spoilt_bodies(changes: dict[str, object]) -> None:
    """A body with anything in its fields is served or refused as the client's."""
    body = json.dumps({"model": "e", "input": "a"} | changes).encode()
    with suppress(InvalidRequest):
        assert json.loads(BRIDGE.request(CODEC.parse_request(body), TARGET))["model"] == "vendor-e"
