"""The OpenAI chat dialect as OpenAI itself speaks it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

import msgspec
from msgspec.structs import replace

from gateway.upstreams.scripted.answer import Answer, Ask, Tool, ToolCall, compose_answer
from gateway.upstreams.scripted.json_view import JsonObject, field, number, rows, text, text_of
from gateway.upstreams.scripted.scenario import Scenario
from gateway.upstreams.scripted.text import HEX, Stamp, count_tokens, cut_evenly
from gateway.upstreams.scripted.vendor import WRONG_KEY, Refusal, Rendering, bearer_token, encode_event

_INVALID = "invalid_request_error"
_ROLES = ("system", "assistant", "user", "function", "tool", "developer")
MAX_TEMPERATURE = 2
_FAILURES: dict[int, tuple[str, str | None, str]] = {
    401: (_INVALID, "invalid_api_key", "Incorrect API key provided."),
    403: ("insufficient_permissions", None, "You have insufficient permissions for this operation."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for requests. Please try again later."),
    503: ("server_error", None, "The engine is currently overloaded, please try again later"),
}
_SORRY = "The server had an error while processing your request. Sorry about that!"
_KEY_PAGE = "You can find your API key at https://platform.openai.com/account/api-keys."
_NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using "
    "Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
)


def read_ask(body: JsonObject) -> Ask:
    """Return what a chat request asks for."""
    messages = rows(body.get("messages"))
    last = messages[-1] if messages else None
    after_tool = field(last, "role") in {"tool", "function"}
    asked = last if after_tool else next((m for m in reversed(messages) if field(m, "role") == "user"), last)
    choice = body.get("tool_choice")
    forced = "" if choice == "required" else field(choice, "function", "name")
    tools = tuple(_tool(field(item, "function")) for item in rows(body.get("tools")))
    limit = number(body.get("max_completion_tokens") or body.get("max_tokens"))
    return Ask(
        text=text_of(field(asked, "content")),
        after_tool_result=after_tool,
        tools=() if choice == "none" else tools,
        forced_tool=forced if isinstance(forced, str) else None,
        parallel=body.get("parallel_tool_calls") is not False,
        schema=_answer_schema(body.get("response_format")),
        max_tokens=None if limit is None else int(limit),
        choices=max(1, int(number(body.get("n")) or 1)),
    )


def _tool(function: object) -> Tool:
    return Tool(text(field(function, "name")), field(function, "parameters") or {"type": "object"})


def _answer_schema(response_format: object) -> object | None:
    if field(response_format, "type") == "json_schema":
        return field(response_format, "json_schema", "schema") or {}
    if field(response_format, "type") == "json_object":
        return {"type": "object", "properties": {"answer": {"type": "string"}}}
    return None


def count_prompt(body: JsonObject) -> int:
    """Return the prompt's tokens, counted over everything the model would read."""
    read = (body.get(name) for name in ("system", "messages", "tools"))
    return sum(count_tokens(msgspec.json.encode(part).decode()) for part in read if part)


class OpenAI:
    """A textbook OpenAI server: any model name, usage in the stream only when asked for."""

    stream_type = "text/event-stream; charset=utf-8"
    _finishes: Mapping[str, str] = {"refusal": "stop"}

    def refuse_caller(self, headers: Mapping[str, str]) -> Refusal | None:
        """Ask for a bearer token."""
        token = bearer_token(headers)
        if not token:
            return Refusal(status=401, message=f"{_NO_KEY} {_KEY_PAGE}", kind=_INVALID)
        wrong = f"Incorrect API key provided: {token}. {_KEY_PAGE}"
        return replace(self.failure(401, None), message=wrong) if token == WRONG_KEY else None

    def refuse_request(self, body: JsonObject) -> Refusal | None:
        """Check what OpenAI checks first."""
        if not body.get("model"):
            return Refusal(status=400, message="you must provide a model parameter", kind=_INVALID)
        if not rows(body.get("messages")):
            return _invalid("Missing required parameter: 'messages'.", "messages")
        for n, message in enumerate(rows(body.get("messages"))):
            if (role := field(message, "role")) not in _ROLES:
                return _invalid(
                    f"Invalid value: '{role}'. Supported values are: {_ROLES}.", f"messages[{n}].role"
                )
        heat = number(body.get("temperature")) or 0
        if heat > MAX_TEMPERATURE:
            bound = f"decimal above maximum value. Expected a value <= 2, but got {heat} instead."
            return _invalid(f"Invalid 'temperature': {bound}", "temperature")
        return None

    def failure(self, status: int, code: str | None) -> Refusal:
        """Return OpenAI's error for a status."""
        kind, usual, message = _FAILURES.get(status, ("server_error", None, _SORRY))
        return Refusal(status=status, message=message, kind=kind, code=code or usual)

    def error_body(self, refusal: Refusal, stamp: Stamp) -> JsonObject:  # noqa: ARG002 - Z.ai's needs it
        """Return OpenAI's four-field error."""
        told = {"message": refusal.message, "type": refusal.kind, "param": refusal.param}
        return {"error": told | {"code": refusal.code}}

    def error_event(self, stamp: Stamp) -> bytes:
        """Return a data line that holds the error."""
        return encode_event(self.error_body(self.failure(500, None), stamp))

    def headers(self, stamp: Stamp) -> dict[str, str]:
        """Return OpenAI's request id."""
        return {"x-request-id": f"req_{stamp.letters('request', 32, HEX)}"}

    def answer(self, body: JsonObject, scenario: Scenario, stamp: Stamp) -> Rendering:
        """Answer with as many choices as `n` asks for."""
        ask = self._read(body)
        answers = [compose_answer(ask, scenario, str(n or "")) for n in range(ask.choices)]
        usage = self._usage(count_prompt(body), answers)
        choices = [
            {"index": n, "message": self._message(answer, stamp), "finish_reason": self._finish(answer)}
            for n, answer in enumerate(answers)
        ]
        counted = {} if scenario.no_usage else {"usage": usage}
        whole = self._completion_fields(body, stamp) | {"choices": choices} | counted
        if body.get("stream") is not True:
            return Rendering(body=whole)
        chunks = self._chunks(body, answers, usage, scenario, stamp)
        return Rendering(body=whole, events=_encode_chunks(chunks, usage, scenario))

    def _read(self, body: JsonObject) -> Ask:
        return read_ask(body)

    def _usage(self, prompt: int, answers: list[Answer]) -> JsonObject:
        spoken = sum(answer.output_tokens for answer in answers)
        reasoned = sum(answer.reasoning_tokens for answer in answers)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": spoken,
            "total_tokens": prompt + spoken,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": reasoned},
        }

    def _chunk_fields(self, body: JsonObject, stamp: Stamp) -> JsonObject:
        identity = {"id": f"chatcmpl-{stamp.letters('answer', 29)}", "object": "chat.completion.chunk"}
        return {**identity, "created": int(stamp.now), "model": body["model"], "service_tier": "default"}

    def _completion_fields(self, body: JsonObject, stamp: Stamp) -> JsonObject:
        return self._chunk_fields(body, stamp) | {"object": "chat.completion"}

    def _message(self, answer: Answer, stamp: Stamp) -> JsonObject:
        refused = answer.finish == "refusal"
        content = None if refused or answer.calls else answer.text
        message: JsonObject = {
            "role": "assistant",
            "content": content,
            "refusal": answer.text if refused else None,
        }
        calls = [self._tool_call(call, n, stamp) for n, call in enumerate(answer.calls)]
        return message | {"tool_calls": calls} if calls else message

    def _tool_call(self, call: ToolCall, nth: int, stamp: Stamp) -> JsonObject:
        function = {"name": call.name, "arguments": call.arguments}
        return {"id": f"call_{stamp.letters(f'tool {nth}', 24)}", "type": "function", "function": function}

    def _finish(self, answer: Answer) -> str:
        return self._finishes.get(answer.finish, answer.finish)

    def _chunks(
        self, body: JsonObject, answers: list[Answer], usage: JsonObject, scenario: Scenario, stamp: Stamp
    ) -> Iterator[JsonObject]:
        shape = self._chunk_fields(body, stamp)
        shows_usage = field(body, "stream_options", "include_usage") is True and not scenario.no_usage
        extra: JsonObject = {"usage": None} if shows_usage else {}
        for index, answer in enumerate(answers):
            for delta, finish in self._deltas(answer, stamp):
                choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
                yield shape | {"choices": [choice]} | extra
        if shows_usage:
            yield shape | {"choices": [], "usage": usage}

    def _deltas(self, answer: Answer, stamp: Stamp) -> Iterator[tuple[JsonObject, str | None]]:
        word = "refusal" if answer.finish == "refusal" else "content"
        yield {"role": "assistant", "content": None if answer.calls else "", "refusal": None}, None
        for piece in answer.pieces:
            yield {word: piece}, None
        for delta in self._call_deltas(answer, stamp):
            yield delta, None
        yield {}, self._finish(answer)

    def _call_deltas(self, answer: Answer, stamp: Stamp) -> Iterator[JsonObject]:
        """Yield calls as OpenAI streams them: the name first, then fragments of the arguments."""
        lanes: list[list[JsonObject]] = []
        for index, call in enumerate(answer.calls):
            opened = self._tool_call(ToolCall(call.name, ""), index, stamp)
            parts = cut_evenly(call.arguments, max(2, len(call.arguments) // 12))
            fragments: list[JsonObject] = [{"function": {"arguments": part}} for part in parts]
            lanes.append([{"index": index} | entry for entry in (opened, *fragments)])
        if answer.interleaved:
            turns = range(max(map(len, lanes)))
            lanes = [[lane[turn] for turn in turns for lane in lanes if turn < len(lane)]]
        for entry in chain.from_iterable(lanes):
            yield {"tool_calls": [entry]}


def _invalid(message: str, param: str) -> Refusal:
    code = "missing_required_parameter" if message.startswith("Missing") else "invalid_value"
    return Refusal(status=400, message=message, kind=_INVALID, param=param, code=code)


def _encode_chunks(chunks: Iterator[JsonObject], usage: JsonObject, scenario: Scenario) -> Iterator[bytes]:
    """Encode the chunks; with `usage_every_chunk` each carries the count so far."""
    prompt, spoken = int(number(usage["prompt_tokens"]) or 0), int(number(usage["completion_tokens"]) or 0)
    for position, chunk in enumerate(chunks):
        now = min(position, spoken)
        so_far = {"prompt_tokens": prompt, "completion_tokens": now, "total_tokens": prompt + now}
        early = scenario.usage_every_chunk and not chunk.get("usage")
        yield encode_event(chunk | {"usage": usage | so_far} if early else chunk)
    yield b"data: [DONE]\n\n"
