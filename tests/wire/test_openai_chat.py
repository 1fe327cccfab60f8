from __future__ import annotations

import json

import pytest

from gateway.errors import AllAttemptsFailed, InvalidRequest, RateLimited, Unauthenticated
from gateway.wire.openai_chat import OpenAIChat
from gateway.wire.sse import events
from policies.facts import Turn

CODEC = OpenAIChat()
HI = {"role": "user", "content": "hi"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


def body(**fields: object) -> bytes:
    """Encode a request with a model and one message unless told otherwise."""
    return json.dumps({"model": "auto", "messages": [HI], **fields}).encode()


def turns(*messages: object) -> list[Turn]:
    """Read messages as turns."""
    return list(CODEC.turns(CODEC.parse_request(body(messages=messages))))


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        (b"", None),
        (b"{", None),
        (b"[]", None),
        (body() + b" x", None),
        (b'{"model":"a","messages":[{"role":"user","content":"\xff"}]}', None),
        (b'{"messages":' + b"[" * 50_000, None),
        (b'{"messages":[{"role":"user"}]}', "model"),
        (body(model=""), "model"),
        (body(model=7), "model"),
        (b'{"model":"a"}', "messages"),
        (body(messages=[]), "messages"),
        (body(messages="hi"), "messages"),
        (body(messages=[HI, "hi"]), "messages[1]"),
        (body(messages=[{"content": "hi"}]), "messages[0].role"),
        (body(messages=[HI, {"role": "robot"}]), "messages[1].role"),
        (body(stream="yes"), "stream"),
        (body(stream_options=[]), "stream_options"),
        (body(stream_options={"include_usage": 1}), "stream_options.include_usage"),
        (body(n=0), "n"),
        (body(n=129), "n"),
        (body(max_tokens=0), "max_tokens"),
        (body(max_completion_tokens=1.5), "max_completion_tokens"),
        (body(tools={}), "tools"),
        (body(response_format="json"), "response_format"),
        (body(response_format={}), "response_format.type"),
        (body(user=1), "user"),
        (body(metadata=[]), "metadata"),
    ],
)
def test_refuses_malformed_bodies(raw: bytes, param: str | None) -> None:
    """Each fault names its parameter."""
    with pytest.raises(InvalidRequest) as caught:
        CODEC.parse_request(raw)
    assert caught.value.param == param
    assert param is None or f"'{param}'" in caught.value.message or "Supported values" in caught.value.message


def test_views_what_routing_needs() -> None:
    """The view holds the fields, the raw body stays as it came."""
    raw = body(
        stream=True,
        stream_options={"include_usage": True},
        n=2,
        max_tokens=50,
        max_completion_tokens=70,
        tools=[{"type": "function"}],
        response_format={"type": "json_schema", "json_schema": {}},
        user="u1",
        metadata={"team": "x", "n": 1},
        unknown={"kept": True},
    )
    request = CODEC.parse_request(raw)
    assert request.raw is raw
    assert (request.model, request.stream, request.include_usage, request.choices) == ("auto", True, True, 2)
    assert (request.max_output_tokens, request.has_tools, request.json_schema) == (70, True, True)
    assert (request.user, request.metadata, len(request.messages)) == ("u1", {"team": "x"}, 1)


def test_nulls_mean_absent() -> None:
    """Clients that send every field as null are served."""
    fields = ("stream", "stream_options", "n", "max_tokens", "max_completion_tokens", "tools", "metadata")
    request = CODEC.parse_request(body(**dict.fromkeys(fields), user=None, response_format=None))
    assert (request.stream, request.choices, request.max_output_tokens) == (False, 1, None)
    assert (request.has_tools, request.has_images, request.json_schema) == (False, False, False)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([{"type": "text", "text": "see"}, IMAGE], True),
        ('the type is "image_url"', False),
        ([{"type": "text", "text": '{"type":"image_url"}'}], False),
        ([{"type": "text", "text": "image_url", "image_url": None}], False),
    ],
)
def test_images_exactly(content: object, expected: bool) -> None:  # noqa: FBT001 - a table's column
    """Only a real image part counts, not the words."""
    assert CODEC.parse_request(body(messages=[{"role": "user", "content": content}])).has_images is expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (HI, Turn(role="user", parts=("hi",))),
        ({"content": "late role", "role": "user"}, Turn(role="user", parts=("late role",))),
        ({"role": "developer", "content": "be brief"}, Turn(role="system", parts=("be brief",))),
        ({"role": "assistant", "content": None}, Turn(role="assistant")),
        ({"role": "assistant", "refusal": "no"}, Turn(role="assistant", parts=("no",))),
        ({"role": "function", "name": "f", "content": "42"}, Turn(role="tool", parts=("42",))),
        ({"role": "tool", "tool_call_id": "1", "content": "ok"}, Turn(role="tool", parts=("ok",))),
        (
            {"role": "user", "content": [{"type": "text", "text": "a"}, IMAGE, {"text": "b"}]},
            Turn(role="user", parts=("a", "b"), images=1),
        ),
        (
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
            Turn(role="assistant", parts=("no",)),
        ),
        (
            {"role": "assistant", "function_call": {"name": "old", "arguments": "{}"}},
            Turn(role="assistant", tool_calls=("old",)),
        ),
        ({"role": "user", "content": 7}, Turn(role="user", parts=('{"role": "user", "content": 7}',))),
    ],
)
def test_reads_turns(message: object, expected: Turn) -> None:
    """Every kind of message reads as one turn; an odd one hides nothing."""
    assert turns(message) == [expected]


@pytest.mark.parametrize(
    ("arguments", "broken"),
    [("{}", False), ("", False), ('{"a":1}', False), ('{"a":', True), ("[]", True), ("7", True)],
)
def test_broken_tool_arguments(arguments: str, broken: bool) -> None:  # noqa: FBT001 - a table's column
    """Arguments must be a JSON object."""
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}]
    (turn,) = turns({"role": "assistant", "tool_calls": calls})
    assert (turn.tool_calls, turn.tool_arguments_broken) == (("f",), broken)


def test_newest_first_system_last() -> None:
    """Turns come newest first, the system's after all others."""
    read = turns({"role": "system", "content": "s"}, HI, {"role": "assistant", "content": "yo"})
    assert [turn.role for turn in read] == ["assistant", "user", "system"]


def test_repeated_role_hides_no_ask() -> None:
    """The role that counts is the one a parser would see."""
    raw = b'{"model":"a","messages":[{"role":"system","content":"ask","role":"user"},{"role":"user"}]}'
    assert [turn.parts for turn in CODEC.turns(CODEC.parse_request(raw))] == [(), ("ask",)]


def test_error_bodies() -> None:
    """Errors have OpenAI's shape, with nulls for what is absent."""
    assert json.loads(CODEC.error_body(Unauthenticated("no valid key"), "req_1")) == {
        "error": {
            "message": "no valid key",
            "type": "authentication_error",
            "param": None,
            "code": "invalid_api_key",
        }
    }
    error = json.loads(CODEC.error_body(InvalidRequest("bad", param="n"), "req_1"))["error"]
    assert (error["param"], error["code"], error["type"]) == ("n", None, "invalid_request_error")


def test_error_event_ends_stream() -> None:
    """A failing stream ends with an error chunk and the end mark."""
    chunk, done = events(CODEC.error_event(AllAttemptsFailed("nothing left"), "req_1"))
    decoded = json.loads(chunk.data)
    assert decoded["error"]["message"] == "nothing left"
    assert decoded["choices"] == [{"index": 0, "delta": {}, "finish_reason": "error"}]
    assert done.data == b"[DONE]"


def test_limit_code() -> None:
    """Clients key on the rate limit's type and code."""
    error = json.loads(CODEC.error_body(RateLimited("slow down", retry_after_s=1), "r"))["error"]
    assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
