"""Anthropic Messages, as Anthropic serves it and as Z.ai does for its own models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from gateway.upstreams.scripted.answer import Answer, Ask, Tool, compose_answer
from gateway.upstreams.scripted.anthropic_rules import CONTEXT_TOKENS, find_fault, sign
from gateway.upstreams.scripted.chat import count_prompt
from gateway.upstreams.scripted.json_view import JsonObject, field, number, rows, text, text_of
from gateway.upstreams.scripted.prompt_cache import PromptCache
from gateway.upstreams.scripted.scenario import Scenario
from gateway.upstreams.scripted.text import Stamp, cut_evenly
from gateway.upstreams.scripted.vendor import WRONG_KEY, Refusal, Rendering, bearer_token, encode_event

_FAILURES = {
    400: ("invalid_request_error", "Invalid request"),
    401: ("authentication_error", "invalid x-api-key"),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "Not found"),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your account's rate limit. Please try again later."),
    529: ("overloaded_error", "Overloaded"),
}
_FINISHES = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "refusal": "refusal"}
_SNAPSHOTS = {
    "claude-opus-4-1": "claude-opus-4-1-20250805",
    "claude-opus-4-5": "claude-opus-4-5-20251101",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
}
"""An alias is answered under the name of the snapshot it stands for."""


class Anthropic:
    """Anthropic Messages; `native` is Anthropic itself, otherwise Z.ai's endpoint of the same dialect."""

    stream_type = "text/event-stream; charset=utf-8"

    def __init__(self, *, native: bool = True) -> None:
        self._native = native
        self._cache = PromptCache()

    def refuse_caller(self, headers: Mapping[str, str]) -> Refusal | None:
        """Ask for `x-api-key` or a bearer token, and for `anthropic-version`."""
        key, token = headers.get("x-api-key", ""), bearer_token(headers)
        if not key and not token:
            return _refuse(401, "x-api-key header is required")
        if WRONG_KEY in {key, token}:
            return _refuse(401, "invalid x-api-key" if key else "Invalid bearer token")
        if self._native and not headers.get("anthropic-version"):
            return _refuse(400, "anthropic-version: header is required")
        return None

    def refuse_request(self, body: JsonObject) -> Refusal | None:
        """Check a request for an answer."""
        if fault := find_fault(body) if self._native else None:
            return _refuse(400, fault)
        prompt, most = count_prompt(body), int(number(body.get("max_tokens")) or 0)
        if prompt > CONTEXT_TOKENS:
            return _refuse(400, f"prompt is too long: {prompt} tokens > {CONTEXT_TOKENS} maximum")
        if prompt + most > CONTEXT_TOKENS:
            advice = "decrease input length or `max_tokens` and try again"
            sizes = f"{prompt} + {most} > {CONTEXT_TOKENS}"
            return _refuse(400, f"input length and `max_tokens` exceed context limit: {sizes}, {advice}")
        return self._unknown_model(body)

    def refuse_count(self, body: JsonObject) -> Refusal | None:
        """Check a request for a count, which knows fewer fields."""
        fault = find_fault(body, counting=True) if self._native else None
        return _refuse(400, fault) if fault else self._unknown_model(body)

    def _unknown_model(self, body: JsonObject) -> Refusal | None:
        model = text(body.get("model"))
        known = model.startswith("claude-") or not self._native
        return None if known else _refuse(404, f"model: {model}")

    def failure(self, status: int, code: str | None) -> Refusal:
        """Return Anthropic's error for a status; a code is only Z.ai's to give."""
        kind, message = _FAILURES.get(status, ("api_error", "Internal server error"))
        return Refusal(status=status, kind=kind, message=message, code=code)

    def error_body(self, refusal: Refusal, stamp: Stamp) -> JsonObject:
        """Return Anthropic's error shape; Z.ai's has a code in it."""
        error = {"type": refusal.kind, "message": refusal.message}
        if refusal.code and not self._native:
            error["code"] = refusal.code
        return {"type": "error", "error": error, "request_id": _request_id(stamp)}

    def error_event(self, stamp: Stamp) -> bytes:
        """Return the `error` event of an overloaded model."""
        return encode_event(self.error_body(self.failure(529, None), stamp), "error")

    def headers(self, stamp: Stamp) -> dict[str, str]:
        """Return Anthropic's request id."""
        return {"request-id": _request_id(stamp)}

    def count(self, body: JsonObject, scenario: Scenario, stamp: Stamp) -> Rendering:  # noqa: ARG002 - one signature
        """Answer `count_tokens`."""
        return Rendering(body={"input_tokens": count_prompt(body)})

    def answer(self, body: JsonObject, scenario: Scenario, stamp: Stamp) -> Rendering:
        """Answer with a message, billed through the prompt cache."""
        answer = compose_answer(read_ask(body), scenario)
        usage = self._cache.bill(body).as_usage(answer.output_tokens)
        model = text(body.get("model"))
        message: JsonObject = {
            "id": f"msg_01{stamp.letters('answer', 22)}",
            "type": "message",
            "role": "assistant",
            "model": _SNAPSHOTS.get(model, model),
        }
        ending: JsonObject = {"stop_reason": _FINISHES[answer.finish], "stop_sequence": None}
        content = list(_content(answer, stamp))
        complete = message | {"content": content} | ending | ({} if scenario.no_usage else {"usage": usage})
        if body.get("stream") is not True:
            return Rendering(body=complete)
        opened = message | {"content": [], "stop_reason": None, "stop_sequence": None}
        return Rendering(
            body=complete, events=self._events(opened, content, answer, ending | {"usage": usage}, scenario)
        )

    def _events(
        self,
        opened: JsonObject,
        content: list[JsonObject],
        answer: Answer,
        ending: JsonObject,
        scenario: Scenario,
    ) -> Iterator[bytes]:
        usage = ending.pop("usage")
        counts: JsonObject = dict(usage) if isinstance(usage, dict) else {}
        # Z.ai, and a vendor that reports nothing, open with zeros; Anthropic knows the input by then.
        silent = scenario.no_usage or not self._native
        first: JsonObject = (
            {"input_tokens": 0, "output_tokens": 0} if silent else counts | {"output_tokens": 1}
        )
        yield encode_event({"type": "message_start", "message": opened | {"usage": first}}, "message_start")
        spoken = 0
        for index, block in enumerate(content):
            for event in _block_events(index, block, answer):
                yield encode_event(event, text(event["type"]))
                if index == 0 and event["type"] == "content_block_start":
                    yield encode_event({"type": "ping"}, "ping")
                spoken += 1
                if scenario.usage_every_chunk and event["type"] == "content_block_delta":
                    yield _message_delta(
                        {"stop_reason": None, "stop_sequence": None}, {"output_tokens": spoken}
                    )
        totals = {name: count for name, count in counts.items() if name.endswith("_tokens")}
        yield _message_delta(ending, None if scenario.no_usage else totals)
        yield encode_event({"type": "message_stop"}, "message_stop")


def _message_delta(delta: JsonObject, usage: JsonObject | None) -> bytes:
    counted = {} if usage is None else {"usage": usage}
    return encode_event({"type": "message_delta", "delta": delta} | counted, "message_delta")


def read_ask(body: JsonObject) -> Ask:
    """Return what a Messages request asks for."""
    messages = rows(body.get("messages"))
    last = messages[-1] if messages else None
    choice = field(body, "tool_choice", "type")
    forced = "" if choice == "any" else field(body, "tool_choice", "name") if choice == "tool" else None
    output = field(body, "output_config", "format") or body.get("output_format")
    tools = tuple(
        Tool(text(field(tool, "name")), field(tool, "input_schema") or {"type": "object"})
        for tool in rows(body.get("tools"))
    )
    return Ask(
        text=text_of(field(last, "content")),
        after_tool_result=any(
            field(block, "type") == "tool_result" for block in rows(field(last, "content"))
        ),
        tools=() if choice == "none" else tools,
        forced_tool=forced if isinstance(forced, str) else None,
        parallel=field(body, "tool_choice", "disable_parallel_tool_use") is not True,
        schema=field(output, "schema") if field(output, "type") == "json_schema" else None,
        thinks=field(body, "thinking", "type") in {"enabled", "adaptive"},
        max_tokens=int(number(body.get("max_tokens")) or 0) or None,
    )


def _content(answer: Answer, stamp: Stamp) -> Iterator[JsonObject]:
    thought = "".join(answer.reasoning)
    if thought:
        yield {"type": "thinking", "thinking": thought, "signature": sign(thought)}
    if answer.pieces:
        yield {"type": "text", "text": answer.text}
    for n, call in enumerate(answer.calls):
        yield {
            "type": "tool_use",
            "id": f"toolu_01{stamp.letters(f'tool {n}', 22)}",
            "name": call.name,
            "input": _parsed(call.arguments),
        }


def _parsed(arguments: str) -> object:
    try:
        return msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        return {}


def _block_events(index: int, block: JsonObject, answer: Answer) -> Iterator[JsonObject]:
    kind = block["type"]
    blanks: dict[str, JsonObject] = {
        "text": {"text": ""},
        "thinking": {"thinking": "", "signature": ""},
        "tool_use": {"input": {}},
    }
    yield {"type": "content_block_start", "index": index, "content_block": block | blanks[text(kind)]}
    for delta in _deltas(index, block, answer):
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _deltas(index: int, block: JsonObject, answer: Answer) -> Iterator[JsonObject]:
    if block["type"] == "text":
        for piece in answer.pieces:
            yield {"type": "text_delta", "text": piece}
    elif block["type"] == "thinking":
        for piece in answer.reasoning:
            yield {"type": "thinking_delta", "thinking": piece}
        yield {"type": "signature_delta", "signature": block["signature"]}
    else:
        arguments = answer.calls[index - bool(answer.reasoning)].arguments
        parts = ("", *cut_evenly(arguments, max(2, len(arguments) // 12)))
        for part in parts:
            yield {"type": "input_json_delta", "partial_json": part}


def _refuse(status: int, message: str) -> Refusal:
    return Refusal(status=status, kind=_FAILURES[status][0], message=message)


def _request_id(stamp: Stamp) -> str:
    return f"req_011C{stamp.letters('request', 20)}"
