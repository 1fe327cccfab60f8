from __future__ import annotations

from typing import Any

import pytest
from anthropic_samples import OPUS, USER, bridge, chat, text, translated

from gateway.errors import InvalidRequest, Unsupported
from gateway.exchange import ChatRequest
from gateway.wire.chat_to_messages.request import DROPPED

ODD = {
    "seed": 7,
    "presence_penalty": 0.1,
    "frequency_penalty": None,
    "logit_bias": {"5": 1},
    "logprobs": False,
    "top_logprobs": 0,
    "modalities": ["text"],
    "store": True,
    "metadata": {"team": "a"},
    "service_tier": "flex",
    "prediction": {"type": "content", "content": "x"},
    "verbosity": "low",
    "prompt_cache_key": "k",
    "safety_identifier": "s",
    "web_search_options": {},
    "stream_options": {"include_usage": True},
    "some_field_of_tomorrow": [1],
    "n": 1,
}


def test_smallest_request() -> None:
    """What the client did not say is not said, but for what Anthropic must be told."""
    assert translated() == {
        "model": OPUS.model,
        "max_tokens": 16_384,
        "messages": [{"role": "user", "content": [text("hello")]}],
    }


def test_odd_fields_are_dropped() -> None:
    """Anthropic refuses unknown fields; none gets through, and nulls count as unsaid."""
    assert translated(**ODD, temperature=None, tools=None, stop=None, user=None) == translated()


def test_dropped_fields_have_reasons() -> None:
    """Each top-level field that is dropped is listed with its reason."""
    assert set(ODD) - {"some_field_of_tomorrow", "n"} <= set(DROPPED)
    assert all(DROPPED.values())


def test_message_fields_without_a_place_are_dropped() -> None:
    """Authors' names and unsigned reasoning have no place in Anthropic's turns."""
    said = [
        USER | {"name": "ann"},
        {"role": "assistant", "content": "hi", "reasoning_content": "hm", "audio": None},
        USER,
    ]

    assert translated(messages=said)["messages"][:2] == [
        {"role": "user", "content": [text("hello")]},
        {"role": "assistant", "content": [text("hi")]},
    ]


def test_stream_and_user_travel() -> None:
    """Streaming and the user's id are told to the vendor."""
    body = translated(stream=True, user="u-1")

    assert body["stream"] is True
    assert body["metadata"] == {"user_id": "u-1"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"modalities": ["text", "audio"]}, "modalities"),
    ],
)
def test_what_anthropic_cannot_say(fields: dict[str, Any], param: str | None) -> None:
    """What would change the answer's meaning is refused, not dropped."""
    with pytest.raises(Unsupported) as caught:
        translated(**fields)

    assert caught.value.param == param
    assert caught.value.http_status == 400


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        (b'{"messages":[]}', "messages"),
        (b'{"messages":[{"role":"user","content":"x"}],"max_tokens":0}', "max_tokens"),
        (b'{"messages":[{"role":"user","content":"x"}],"stop":5}', "stop"),
        (b'{"messages":[{"role":"robot","content":"x"}]}', "messages[0].role"),
        (b'{"messages":[{"content":"x"}]}', "messages[0].role"),
        (b"[1]", None),
    ],
)
def test_malformed_requests(raw: bytes, param: str | None) -> None:
    """What no vendor accepts is refused by name."""
    with pytest.raises(InvalidRequest) as caught:
        bridge().request(ChatRequest(dialect="chat", raw=raw, model="auto"), OPUS)

    assert caught.value.param == param


def test_request_is_deterministic() -> None:
    """The same request translates to the same bytes, so prompt caches hit."""
    request = chat(messages=[USER, {"role": "assistant", "content": "hi"}, USER])

    assert bridge().request(request, OPUS) == bridge().request(request, OPUS)


def test_long_user_id_goes() -> None:
    """A user's id longer than Anthropic takes is left out rather than cut to someone else's."""
    assert "metadata" not in translated(user="u" * 257)
