"""A tool loop that moves between vendors: what each is sent, held against what each refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic_samples import OPUS, USER, chat, messages, text
from matrix_samples import BRIDGES, GLM, answered

from gateway.exchange import ChatRequest, Target
from gateway.upstreams.scripted.anthropic_rules import find_fault, sign
from gateway.upstreams.scripted.zai import Zai

SCHEMA = {"type": "object"}
GLMS = answered(
    {
        "content": "glm says",
        "reasoning_content": "glm thinks",
        "tool_calls": [{"id": "c:1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    },
    "tool_calls",
)
CLAUDES = json.dumps(
    {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-1",
        "content": [
            {"type": "thinking", "thinking": "claude thinks", "signature": sign("claude thinks")},
            text("claude says"),
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 3},
    }
).encode()


class Loop:
    """A client of one dialect that echoes every answer and answers every call."""

    def __init__(self, dialect: str) -> None:
        """Begin with a user's word."""
        self.dialect = dialect
        self.said: list[dict[str, Any]] = [USER]

    def ask(self) -> ChatRequest:
        """Return the client's next request, thinking wished for."""
        if self.dialect == "messages":
            tools = [{"name": "f", "input_schema": SCHEMA}]
            thinking = {"type": "enabled", "budget_tokens": 2_000}
            return messages(messages=self.said, tools=tools, thinking=thinking, max_tokens=4_000)
        functions = [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}]
        return chat(messages=self.said, tools=functions, reasoning_effort="low", max_tokens=4_000)

    def sent(self, target: Target) -> dict[str, Any]:
        """Return what the vendor gets, which it must accept."""
        request = self.ask()
        bridge = BRIDGES.between(request.dialect, target.dialect, target.provider)
        body: dict[str, Any] = json.loads(bridge.request(request, target))
        fault = find_fault(body) if target is OPUS else Zai().refuse_request(body)
        assert fault is None, fault
        return body

    def hear(self, target: Target, answer: bytes) -> None:
        """Take a vendor's answer, and put it and the tool's result into the history."""
        request = self.ask()
        bridge = BRIDGES.between(request.dialect, target.dialect, target.provider)
        told = json.loads(bridge.answer(request, answer).body)
        if self.dialect == "messages":
            call = next(block["id"] for block in told["content"] if block["type"] == "tool_use")
            result = {"type": "tool_result", "tool_use_id": call, "content": "r"}
            self.said += [
                {"role": "assistant", "content": told["content"]},
                {"role": "user", "content": [result]},
            ]
            return
        message = told["choices"][0]["message"]
        call = message["tool_calls"][0]["id"]
        self.said += [message, {"role": "tool", "tool_call_id": call, "content": "r"}]


@pytest.mark.parametrize("dialect", ["messages", "chat"])
def test_from_glm_to_claude(dialect: str) -> None:
    """GLM's unsigned thoughts do not reach Claude; with them goes the wish to think before that call."""
    loop = Loop(dialect)
    loop.hear(GLM, GLMS)

    body = loop.sent(OPUS)

    assert "glm thinks" not in json.dumps(body)
    assert "glm says" in json.dumps(body)
    assert "thinking" not in body


@pytest.mark.parametrize("dialect", ["messages", "chat"])
def test_from_claude_to_glm_and_back(dialect: str) -> None:
    """Claude's signed thoughts come back to Claude unchanged, GLM's in between left out.

    A Messages client's are kept from GLM; a chat client's bytes pass, and Z.ai ignores what it does not know.
    """
    loop = Loop(dialect)
    loop.hear(OPUS, CLAUDES)
    glms = loop.sent(GLM)
    loop.hear(GLM, GLMS)
    back = loop.sent(OPUS)

    assert ("claude thinks" in json.dumps(glms)) is (dialect == "chat")
    assert "claude says" in json.dumps(glms)
    assert back["messages"][1]["content"][0] == json.loads(CLAUDES)["content"][0]
    assert "glm thinks" not in json.dumps(back)


@pytest.mark.parametrize("dialect", ["messages", "chat"])
def test_claude_thinks_on(dialect: str) -> None:
    """Claude's own call goes back to it with its signed thought, and it goes on thinking."""
    loop = Loop(dialect)
    loop.hear(GLM, GLMS)
    loop.hear(OPUS, CLAUDES)

    body = loop.sent(OPUS)

    assert body["thinking"]["type"] == "enabled"
    assert body["messages"][3]["content"][0] == json.loads(CLAUDES)["content"][0]
