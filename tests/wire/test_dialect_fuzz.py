"""Bodies wrong in every way: a client's error each, never a defect."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from anthropic_samples import OPUS
from hypothesis import given, settings
from hypothesis import strategies as st
from matrix_samples import BRIDGES, GLM, GPT

from gateway.errors import ClientError
from gateway.exchange import Target
from gateway.wire import build_codecs
from policies.facts import Dialect

CORPUS = Path(__file__).parents[1] / "corpus"
CODECS = build_codecs()
TARGETS = (GLM, GPT, OPUS)
REQUESTS: dict[Dialect, list[Any]] = {
    "chat": [json.loads(path.read_bytes()) for path in sorted((CORPUS / "chat").glob("*.json"))],
    "messages": [json.loads(path.read_bytes()) for path in sorted((CORPUS / "messages").glob("*.json"))],
    "responses": [json.loads(path.read_bytes()) for path in sorted((CORPUS / "responses").glob("*.json"))],
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "x"]), inner),
    max_leaves=5,
)  # fmt: skip


def places(value: object, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the paths of everything inside a body."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place] * bool(place) + [one for key, inner in inside for one in places(inner, (*place, key))]


def spoilt(body: object, place: tuple[str | int, ...], value: object) -> object:
    """Return a body with another value at one place."""
    copy: Any = json.loads(json.dumps(body))
    inner = copy
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return copy


@pytest.mark.parametrize("dialect", REQUESTS)
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.provider)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_spoilt_requests(dialect: Dialect, target: Target, data: st.DataObject) -> None:
    """A request with one thing wrong is served or refused as the client's, and what is served can be answered."""
    body = data.draw(st.sampled_from(REQUESTS[dialect]))
    raw = json.dumps(spoilt(body, data.draw(st.sampled_from(places(body))), data.draw(JSON))).encode()
    codec, bridge = CODECS[dialect], BRIDGES.between(dialect, target.dialect, target.provider)

    with suppress(ClientError):
        request = codec.parse_request(raw)
        list(codec.turns(request))
        sent = bridge.request(request, target)
        assert json.loads(sent)["model"] == target.model
        assert bridge.relay(request).fault is None
