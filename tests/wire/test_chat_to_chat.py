from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from gateway.errors import InvalidRequest, Unsupported
from gateway.exchange import ChatRequest, Target
from gateway.wire.chat_to_chat import ChatToChat
from gateway.wire.openai_chat import OpenAIChat
from policies.pricing import Usage

OPENAI = ChatToChat("openai")
ZAI = ChatToChat("zai")
ASK = OpenAIChat().parse_request(b'{"model":"auto","messages":[{"role":"user"}]}')


def target(provider: str, limit: int = 1000) -> Target:
    """Make a deployment of the provider."""
    return Target(
        deployment="d", provider=provider, model="vendor-model", dialect="chat", max_output_tokens=limit
    )


def parsed(text: str) -> ChatRequest:
    """Parse a client's body, given without its messages and model."""
    return OpenAIChat().parse_request(
        b'{"model":"auto", "messages":[{"role": "user"}]%b}' % (f", {text}" if text else "").encode()
    )


def sent(text: str, provider: str = "openai", limit: int = 1000) -> dict[str, object]:
    """Return the fields sent upstream for a client's body."""
    document: dict[str, object] = json.loads(
        ChatToChat(provider).request(parsed(text), target(provider, limit))
    )
    assert document.pop("model") == "vendor-model"
    document.pop("messages")
    return document


def test_only_the_model_changes() -> None:
    """Nothing else of the client's bytes is touched."""
    raw = b' {"messages" : [{"role":"user","content":"\\u00e9 model"}],\n "model": "auto" ,"x":1.0e1, "x":2 }'
    body = OPENAI.request(OpenAIChat().parse_request(raw), target("openai"))
    assert body == raw.replace(b'"auto"', b'"vendor-model"')


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ('"stream":true', {"include_usage": True}),
        ('"stream":true,"stream_options":null', {"include_usage": True}),
        ('"stream":true,"stream_options":{"include_usage":false}', {"include_usage": True}),
        (
            '"stream":true,"stream_options":{"include_obfuscation":false}',
            {"include_usage": True, "include_obfuscation": False},
        ),
    ],
)
def test_asks_for_usage(text: str, options: dict[str, bool]) -> None:
    """A stream always reports usage to us, the client's other options kept."""
    assert sent(text)["stream_options"] == options


def test_usage_asked_already() -> None:
    """A client that asks for usage itself needs no change."""
    request = parsed('"stream":true,"stream_options":{"include_usage":true}')
    assert OPENAI.request(request, target("openai")) == request.raw.replace(b'"auto"', b'"vendor-model"')
    assert "stream_options" not in sent("")


@pytest.mark.parametrize(
    ("provider", "text", "fields"),
    [
        ("openai", '"max_tokens":999', {"max_tokens": 999}),
        ("openai", '"max_tokens":1001', {"max_tokens": 1000}),
        ("openai", '"max_completion_tokens":5000', {"max_completion_tokens": 1000}),
        ("openai", '"temperature":1.7', {"temperature": 1.7}),
        ("zai", '"max_completion_tokens":70', {"max_tokens": 70}),
        ("zai", '"max_completion_tokens":5000,"max_tokens":3', {"max_tokens": 1000}),
        ("zai", '"max_completion_tokens":null,"max_tokens":3', {"max_tokens": 3}),
        ("zai", '"temperature":1.7', {"temperature": 1}),
        ("zai", '"temperature":0.2', {"temperature": 0.2}),
        (
            "zai",
            '"temperature":null,"thinking":{"type":"disabled"}',
            {"temperature": None, "thinking": {"type": "disabled"}},
        ),
        ("zai", '"user_id":"u","do_sample":false', {"user_id": "u", "do_sample": False}),
        ("zai", '"user":"person-1"', {"user_id": "person-1"}),
        ("zai", '"user":"person-1","user_id":"own-id"', {"user_id": "own-id"}),
        ("zai", '"user":null', {}),
        ("zai", '"user":"u"', {"user_id": hashlib.blake2b(b"u", digest_size=16).hexdigest()}),
        ("openai", '"user":"u"', {"user": "u"}),
        ("zai", '"stop":"END"', {"stop": ["END"]}),
        ("zai", '"stop":["END"]', {"stop": ["END"]}),
        ("zai", '"stop":null', {"stop": None}),
        ("openai", '"stop":["a","b"]', {"stop": ["a", "b"]}),
    ],
)
def test_fields_for_provider(provider: str, text: str, fields: dict[str, object]) -> None:
    """Limits hold for all, quirks only where the provider has them."""
    assert sent(text, provider) == fields


def test_developer_becomes_system() -> None:
    """The role Z.ai does not know is renamed, the message otherwise kept."""
    raw = b'{"model":"a","messages":[{"role":"developer","content":"\\u00e9"}, {"role":"user"}]}'
    request = OpenAIChat().parse_request(raw)
    assert b'[{"role":"system","content":"\\u00e9"},{"role":"user"}]' in ZAI.request(request, target("zai"))
    assert b'"role":"developer"' in OPENAI.request(request, target("openai"))


def test_answer_passes_unchanged() -> None:
    """A whole answer is the vendor's bytes, its usage read by class."""
    body = (
        b'{ "id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant",'
        b'"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":4,'
        b'"prompt_tokens_details":{"cached_tokens":3},"completion_tokens_details":{"reasoning_tokens":2}}}\n'
    )
    for bridge in (OPENAI, ZAI):
        answer = bridge.answer(ASK, body)
        assert answer.body is body
        assert answer.fault is None
        assert answer.usage == Usage(input_tokens=7, output_tokens=4, cache_read_tokens=3, reasoning_tokens=2)


def test_miscounted_answer() -> None:
    """An answer whose usage makes no sense is delivered all the same, its tokens for us to estimate."""
    for usage in (b"[]", b'{"prompt_tokens":"many"}', b"null", b"{}"):
        body = b'{"choices":[{"finish_reason":"stop"}],"error":null,"usage":%b}' % usage
        answer = OPENAI.answer(ASK, body)
        assert (answer.body, answer.fault, answer.usage) == (body, None, None)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "garbled"),
        (b"<html><title>Bad</title></html>", "garbled"),
        (b"[]", "garbled"),
        (b'{"id":"x"}', "garbled"),
        (b'{"choices":[]}', "garbled"),
        (b'{"choices":null,"error":{"message":"x","type":"overloaded_error"}}', "overloaded"),
        (b'{"error":{"code":"1302","message":"x"}}', "rate_limited"),
        (b'{"choices":[{"finish_reason":"network_error"}]}', "server_error"),
    ],
)
def test_failure_inside_200(body: bytes, kind: str) -> None:
    """A 200 that holds no answer is a fault."""
    fault = ZAI.answer(ASK, body).fault
    assert fault is not None
    assert fault.kind == kind


def test_zai_answer_repaired() -> None:
    """Missing fields are filled in; tool calls are numbered; odd finishes get OpenAI's words."""
    choice = {
        "message": {"role": "assistant", "tool_calls": [{"id": "t", "index": -1}, {"id": "u", "index": -1}]}
    }
    answer = json.loads(ZAI.answer(ASK, json.dumps({"choices": [choice], "extra": 1}).encode()).body)
    assert answer["object"] == "chat.completion"
    assert answer["id"].startswith("chatcmpl-")
    assert answer["extra"] == 1
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    assert [call["index"] for call in answer["choices"][0]["message"]["tool_calls"]] == [0, 1]


@pytest.mark.parametrize(
    ("came", "told"),
    [("sensitive", "content_filter"), ("model_context_window_exceeded", "length"), (None, "stop")],
)
def test_zai_finish_reasons(came: str | None, told: str) -> None:
    """Z.ai's own finish reasons become OpenAI's."""
    body = {"id": "c", "object": "chat.completion", "choices": [{"index": 0, "finish_reason": came}]}
    answer = json.loads(ZAI.answer(ASK, json.dumps(body).encode()).body)
    assert answer["choices"][0]["finish_reason"] == told


@pytest.mark.parametrize(
    "value",
    [
        '"n":2',
        '"logprobs":true',
        '"top_logprobs":3',
        '"functions":[{"name":"f"}]',
        '"stop":["a","b"]',
        '"tool_choice":"maybe"',
        '"tool_choice":{"type":"custom","custom":{"name":"f"}}',
        '"tool_choice":5',
    ],
)
def test_zai_refuses_what_it_would_ignore(value: str) -> None:
    """What the vendor would silently leave out is refused with the field's name; others may serve it."""
    with pytest.raises(Unsupported) as refused:
        sent(value, "zai")
    assert refused.value.param == value.partition(":")[0].strip('"')
    assert sent(value)


@pytest.mark.parametrize("value", ['"n":1', '"n":null', '"logprobs":false', '"functions":[]'])
def test_zai_takes_defaults(value: str) -> None:
    """A default that is spelt out asks for nothing."""
    assert sent(value, "zai") == json.loads(f"{{{value}}}")


def test_zai_schema_becomes_an_instruction() -> None:
    """A schema goes into a system message before all others, and JSON mode is asked for; elsewhere it travels."""
    schema = {"type": "object", "properties": {"é": {"type": "string"}}}
    asked = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    turns = [{"role": "developer", "content": "be brief"}, {"role": "user", "content": "hi"}]
    request = OpenAIChat().parse_request(
        json.dumps({"model": "auto", "messages": turns, "response_format": asked}).encode()
    )
    body = json.loads(ZAI.request(request, target("zai")))
    assert body["response_format"] == {"type": "json_object"}
    first, *rest = body["messages"]
    assert first["role"] == "system"
    assert json.loads(first["content"].partition("\n")[2]) == schema
    assert rest == [{"role": "system", "content": "be brief"}, turns[1]]
    assert json.loads(OPENAI.request(request, target("openai")))["response_format"] == asked


@pytest.mark.parametrize(
    "asked", ['{"type":"text"}', '{"type":"json_object"}', '{"type":"json_schema"}', "null"]
)
def test_zai_other_formats_stay(asked: str) -> None:
    """What is no schema is left as it is, for the vendor to judge."""
    request = f'"response_format":{asked}'
    assert sent(request, "zai") == json.loads(f"{{{request}}}")


TOOLS: list[dict[str, Any]] = [{"type": "function", "function": {"name": name}} for name in "fgh"]
NAMED = {"type": "function", "function": {"name": "g"}}


def chosen(choice: object, provider: str = "zai", **fields: object) -> dict[str, Any]:
    """Return what is sent for a tool choice among three tools."""
    turns = [{"role": "developer", "content": "be brief"}, {"role": "user", "content": "hi"}]
    asked = {"model": "auto", "messages": turns, "tools": TOOLS, "tool_choice": choice, **fields}
    request = OpenAIChat().parse_request(json.dumps(asked).encode())
    body: dict[str, Any] = json.loads(ChatToChat(provider).request(request, target(provider)))
    return body


@pytest.mark.parametrize(
    ("choice", "left", "word"),
    [
        ("auto", "fgh", None),
        ("none", "", None),
        ("required", "fgh", "at least one"),
        (NAMED, "g", "`g`"),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": TOOLS[:2]}},
            "fg",
            "at least one",
        ),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": TOOLS[1:]}}, "gh", None),
    ],
)
def test_zai_tool_choices(choice: object, left: str, word: str | None) -> None:
    """Tools that may not be called are not sent; that one must be is said before everything else."""
    body = chosen(choice)
    assert body.get("tool_choice", "auto") == "auto"
    assert body.get("tools", []) == [tool for tool in TOOLS if tool["function"]["name"] in left]
    *told, system, user = body["messages"]
    assert ([system["role"], user["role"]], len(told)) == (["system", "user"], 1 if word else 0)
    assert all(word is None or word in turn["content"] for turn in told)
    assert chosen(choice, "openai")["tool_choice"] == choice


def test_zai_is_told_both() -> None:
    """A schema and a forced call are two instructions; neither costs a word of the conversation."""
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    roles = [turn["role"] for turn in chosen("required", response_format=schema)["messages"]]
    assert roles == ["system", "system", "system", "user"]


@pytest.mark.parametrize(
    ("choice", "tools"), [("required", []), ("required", None), (NAMED, TOOLS[:1]), (NAMED, [5])]
)
def test_zai_cannot_call_what_is_not_there(choice: object, tools: object) -> None:
    """A call that is demanded of a tool nobody declared is the client's mistake."""
    with pytest.raises(InvalidRequest) as refused:
        chosen(choice, tools=tools)
    assert refused.value.param == "tool_choice"
