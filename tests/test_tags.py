from __future__ import annotations

import pytest
from exchange_samples import PRINCIPAL

from gateway.errors import InvalidRequest
from gateway.stores.base import RequestRow
from gateway.stores.row_values import SHAPES
from gateway.tags import read_tags
from gateway.wire.openai_chat import OpenAIChat
from gateway.wire.openai_responses.codec import OpenAIResponses


@pytest.mark.parametrize(
    ("metadata", "headers", "tags"),
    [
        (None, {}, ()),
        ({}, {"x-gateway-tags": "b, a,,b "}, ("a", "b")),
        ({"tags": "ci,batch"}, {"x-litellm-tags": "ci"}, ("batch", "ci")),
        ({"ticket": "A-1"}, {}, ()),
    ],
)
def test_tags_are_found(
    metadata: dict[str, str] | None, headers: dict[str, str], tags: tuple[str, ...]
) -> None:
    """Tags come from header and body together, in order and each once."""
    assert read_tags(metadata, headers) == tags


@pytest.mark.parametrize(
    ("metadata", "headers", "param"),
    [
        ({"tags": "x" * 65}, {}, "metadata.tags"),
        (None, {"x-gateway-tags": "a\tb"}, "x-gateway-tags"),
        (None, {"x-gateway-tags": ",".join(map(str, range(17)))}, "x-gateway-tags"),
    ],
)
def test_bad_tags(metadata: dict[str, str] | None, headers: dict[str, str], param: str) -> None:
    """Money is not filed under a tag that was cut or dropped: the request is refused."""
    with pytest.raises(InvalidRequest) as caught:
        read_tags(metadata, headers)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("codec", "content"),
    [(OpenAIChat(), '"messages": [{"role": "user", "content": "x"}]'), (OpenAIResponses(), '"input": "x"')],
)
def test_list_in_body(codec: OpenAIChat | OpenAIResponses, content: str) -> None:
    """A list of tags in the body, as LiteLLM's clients send it, is read."""
    request = codec.parse_request(
        f'{{"model": "auto", {content}, "metadata": {{"tags": ["b", 1, "a"]}}}}'.encode()
    )
    assert read_tags(request.metadata, {}) == ("a", "b")


def test_lists_fit_their_column() -> None:
    """Names are kept whole, in order and each once, as many as the column takes."""
    row = RequestRow(
        id="r", at_ms=1, team_id=PRINCIPAL.team_id, key_id="k", dialect="chat", client_model="", stream=False,
        status="ok", http_status=200, tier="base", ground="none",
        tags=("b,c", "a\0", "a"), triggers=tuple(f"{n:0128}" for n in range(20)),
    )  # fmt: skip
    shape = SHAPES[RequestRow]
    values = dict(zip(shape.columns, *shape.values([row]), strict=True))
    assert values["tags"] == "a,bc"
    assert [len(name) for name in str(values["triggers"]).split(",")] == [128] * 15
