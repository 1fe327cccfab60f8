from __future__ import annotations

import json

import pytest

from gateway.wire import build_codecs
from gateway.wire.answer_views import view_answer
from policies.answer_checks import AnswerView, Tool, ToolCall
from policies.facts import Dialect

SCHEMA = {"type": "object"}
RAW = json.dumps(SCHEMA).encode()
CALL = {"type": "function", "function": {"name": "ping", "arguments": '{"a":'}}
ASKED: dict[Dialect, dict[str, object]] = {
    "chat": {
        "tools": [{"type": "function", "function": {"name": "ping", "parameters": SCHEMA}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
    },
    "messages": {
        "tools": [{"name": "ping", "input_schema": SCHEMA}],
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    },
    "responses": {
        "tools": [{"type": "function", "name": "ping", "parameters": SCHEMA}, {"type": "web_search"}],
        "text": {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA}},
    },
}


def view(dialect: Dialect, answer: object, **asked: object) -> tuple[AnswerView, ...]:
    """Return what the checks would see of an answer to a request."""
    said = [{"role": "user", "content": "hi"}]
    body = {"model": "m", "input" if dialect == "responses" else "messages": said, **asked}
    request = build_codecs()[dialect].parse_request(json.dumps(body).encode())
    return view_answer(request, answer if isinstance(answer, bytes) else json.dumps(answer).encode())


def chat(*messages: object, finish: str = "stop") -> object:
    """Return a chat completion of these messages."""
    return {"choices": [{"message": message, "finish_reason": finish} for message in messages]}


def response(*items: object, reason: str | None = None) -> object:
    """Return an OpenAI response of these items."""
    return {"output": items, "incomplete_details": {"reason": reason} if reason else None}


def message(*blocks: object, stop: str = "end_turn") -> object:
    """Return an Anthropic message of these blocks."""
    return {"type": "message", "content": blocks, "stop_reason": stop}


@pytest.mark.parametrize(
    ("dialect", "answer"),
    [
        ("chat", chat({"content": "so", "tool_calls": [CALL]}, finish="tool_calls")),
        (
            "messages",
            message(
                {"type": "thinking", "thinking": "hm"},
                {"type": "text", "text": "so"},
                {"type": "tool_use", "id": "1", "name": "ping", "input": {"a": 1}},
                stop="tool_use",
            ),
        ),
        (
            "responses",
            response(
                {"type": "reasoning", "summary": []},
                {"type": "message", "content": [{"type": "output_text", "text": "so"}]},
                {"type": "function_call", "call_id": "1", "name": "ping", "arguments": '{"a": 1}'},
            ),
        ),
    ],
)
def test_everything_is_seen(dialect: Dialect, answer: object) -> None:
    """Text, calls, the finish, the schema and the declared tools reach the checks in every dialect."""
    arguments = '{"a":' if dialect == "chat" else '{"a": 1}'

    assert view(dialect, answer, **ASKED[dialect]) == (
        AnswerView(
            text="so",
            tool_calls=(ToolCall(name="ping", arguments=arguments),),
            finish_reason="tool_calls",
            json_schema=RAW,
            tools=(Tool(name="ping", parameters=RAW),),
        ),
    )


@pytest.mark.parametrize(
    ("dialect", "answer"),
    [
        ("chat", b"<html>"),
        ("chat", b'{"choices": [{"message": {"content": "\xff"}}]}'),
        ("chat", b"[" * 100_000),
        ("chat", chat({"content": [{"type": "text"}]})),
        ("chat", chat({"content": None, "audio": {"id": "a"}})),
        ("chat", chat({"content": None, "tool_calls": [{"type": "custom", "custom": {"name": "x"}}]})),
        ("messages", b"{}"),
        ("messages", message({"type": "server_tool_use", "id": "1", "name": "web_search", "input": {}})),
        ("responses", b"{}"),
        ("responses", response({"type": "custom_tool_call", "call_id": "1", "name": "x", "input": "y"})),
    ],
)
def test_unreadable_is_unchecked(dialect: Dialect, answer: object) -> None:
    """What the checks could only misjudge they do not see."""
    assert view(dialect, answer) == ()


def test_every_choice() -> None:
    """Each of several answers is seen."""
    assert [v.text for v in view("chat", chat({"content": "a"}, {"content": "b"}), n=2)] == ["a", "b"]


CUT_TEXT = {"type": "message", "content": [{"type": "output_text", "text": "a"}]}
CUT: dict[Dialect, object] = {
    "chat": chat({"content": "a"}, finish="length"),
    "messages": message({"type": "text", "text": "a"}, stop="max_tokens"),
    "responses": response(CUT_TEXT, reason="max_output_tokens"),
}


@pytest.mark.parametrize(
    ("dialect", "limit"),
    [("chat", "max_tokens"), ("messages", "max_tokens"), ("responses", "max_output_tokens")],
)
def test_own_limit(dialect: Dialect, limit: str) -> None:
    """An answer cut by the client's own limit is not held against the model; any other cut is."""
    assert view(dialect, CUT[dialect], **{limit: 9}) == ()
    assert [seen.finish_reason for seen in view(dialect, CUT[dialect])] == ["length"]


@pytest.mark.parametrize(
    ("form", "schema"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, b'{"type":"object"}'),
        ({"type": "json_schema", "json_schema": {"name": "x"}}, b'{"type":"object"}'),
    ],
)
def test_formats(form: object, schema: bytes | None) -> None:
    """JSON mode demands an object, text demands nothing."""
    (seen,) = view("chat", chat({"content": "a"}), response_format=form)

    assert seen.json_schema == schema


@pytest.mark.parametrize(
    ("dialect", "answer"),
    [
        ("chat", chat({"content": None, "refusal": "no"})),
        ("responses", response({"type": "message", "content": [{"type": "refusal", "refusal": "no"}]})),
    ],
)
def test_refusal_breaks_no_schema(dialect: Dialect, answer: object) -> None:
    """A refusal in its own field is text, and free of the schema."""
    (seen,) = view(dialect, answer, **ASKED[dialect])

    assert (seen.text, seen.json_schema) == ("no", None)


@pytest.mark.parametrize(
    ("dialect", "answer", "tool"),
    [
        ("chat", chat({"content": "a"}), {"type": "custom", "custom": {"name": "x"}}),
        ("responses", response(CUT_TEXT), {"type": "custom", "name": "x"}),
    ],
)
def test_foreign_tools(dialect: Dialect, answer: object, tool: object) -> None:
    """Beside a tool of another kind the list of declared tools is not complete, so it is not used."""
    (seen,) = view(dialect, answer, tools=[tool])

    assert seen.tools == ()
