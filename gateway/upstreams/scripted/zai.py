"""Z.ai's GLM endpoint: nearly the OpenAI dialect, with its own chunks, codes and refusals.

Formats after recorded api.z.ai traffic and https://docs.z.ai/api-reference/api-code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec
from msgspec.structs import replace

from gateway.upstreams.scripted.answer import Answer, Ask
from gateway.upstreams.scripted.chat import OpenAI, count_prompt, read_ask
from gateway.upstreams.scripted.json_view import JsonObject, field, number, rows, text_of
from gateway.upstreams.scripted.scenario import Scenario
from gateway.upstreams.scripted.text import HEX, Stamp
from gateway.upstreams.scripted.vendor import WRONG_KEY, Refusal, bearer_token

CONTEXT_TOKENS = 131_072
_UNKNOWN = frozenset({"max_completion_tokens", "n", "functions", "logprobs", "tool_choice", "user"})
_FORCED = re.compile(r"Answer by calling (?:the function `([^`]+)`|at least one)")
_BUSY = "High concurrency usage of this API, please reduce concurrency or contact customer service"
_FAILURES = {
    400: ("1210", "Invalid API parameter, please check the documentation."),
    401: ("401", "token expired or incorrect"),
    429: ("1302", f"{_BUSY} to increase limits"),
}
_BROKEN = ("1234", "Network error, error id: {}, please contact customer service")
_MESSAGES = {
    "1113": "Insufficient balance or no resource package. Please recharge.",
    "1211": "Unknown Model, please check the model code.",
    "1261": "Prompt exceeds max length",
    "1301": "System detected potentially unsafe or sensitive content in input or generation.",
    "1305": "The service may be temporarily overloaded, please try again later",
}


class Zai(OpenAI):
    """GLM as api.z.ai serves it."""

    stream_type = "text/event-stream;charset=UTF-8"
    _finishes: Mapping[str, str] = {"refusal": "sensitive"}

    def refuse_caller(self, headers: Mapping[str, str]) -> Refusal | None:
        """Ask for a bearer token."""
        token = bearer_token(headers)
        if not token:
            message = "Authentication parameter not received in Header, unable to authenticate"
            return Refusal(status=401, code="1001", message=message)
        return self.failure(401, None) if token == WRONG_KEY else None

    def refuse_request(self, body: JsonObject) -> Refusal | None:
        """Check what Z.ai checks; it ignores what it does not know, `max_completion_tokens` too."""
        model, messages = str(body.get("model") or ""), rows(body.get("messages"))
        heat = number(body.get("temperature"))
        if not model.startswith("glm-"):
            return self.failure(400, "1211")
        if not messages:
            return _illegal("The messages parameter is illegal. Please check the documentation.")
        if any(field(message, "role") not in {"system", "user", "assistant", "tool"} for message in messages):
            return _illegal("Incorrect role information")
        if heat is not None and not 0 <= heat <= 1:
            return _illegal("The temperature parameter is illegal. Please check the documentation.")
        if len(rows(body.get("stop"))) > 1:
            return _illegal("stop: at most one stop word. Please check the documentation.")
        # Vision models carry a v after the version: glm-4.5v.
        if not re.search(r"\dv", model) and any(_has_image(message) for message in messages):
            return self.failure(400, None)
        return self.failure(400, "1261") if count_prompt(body) > CONTEXT_TOKENS else None

    def failure(self, status: int, code: str | None) -> Refusal:
        """Return Z.ai's error for a status, or for one of its codes."""
        usual, message = _FAILURES.get(status, _BROKEN)
        return Refusal(status=status, code=code or usual, message=_MESSAGES.get(code or "", message))

    def error_body(self, refusal: Refusal, stamp: Stamp) -> JsonObject:
        """Return Z.ai's error, which has no type."""
        return {"error": {"code": refusal.code, "message": refusal.message.format(_log_id(stamp))}}

    def headers(self, stamp: Stamp) -> dict[str, str]:
        """Return Z.ai's log id."""
        return {"X-LOG-ID": _log_id(stamp)}

    def _read(self, body: JsonObject) -> Ask:
        """GLM thinks unless told not to; what Z.ai does not know it ignores without a word."""
        known = {name: value for name, value in body.items() if name not in _UNKNOWN}
        ask = read_ask(known)
        wanted = field(body, "response_format", "type")
        schema = _told_schema(body) or ask.schema if wanted == "json_object" else None
        thinks = field(body, "thinking", "type") != "disabled"
        return replace(ask, schema=schema, thinks=thinks, forced_tool=_told_tool(body))

    def _usage(self, prompt: int, answers: list[Answer]) -> JsonObject:
        usage = super()._usage(prompt, answers)
        del usage["completion_tokens_details"]
        return usage

    def _chunk_fields(self, body: JsonObject, stamp: Stamp) -> JsonObject:
        return {"id": _log_id(stamp), "created": int(stamp.now), "model": body["model"]}

    def _completion_fields(self, body: JsonObject, stamp: Stamp) -> JsonObject:
        return self._chunk_fields(body, stamp) | {"request_id": _log_id(stamp)}

    def _message(self, answer: Answer, stamp: Stamp) -> JsonObject:
        message: JsonObject = {"role": "assistant", "content": answer.text}
        if answer.reasoning:
            message["reasoning_content"] = "".join(answer.reasoning)
        calls = [{"index": n} | self._tool_call(call, n, stamp) for n, call in enumerate(answer.calls)]
        return message | {"tool_calls": calls} if calls else message

    def _chunks(
        self, body: JsonObject, answers: list[Answer], usage: JsonObject, scenario: Scenario, stamp: Stamp
    ) -> Iterator[JsonObject]:
        """Yield chunks without `object`; usage comes unasked, beside the finish reason."""
        shape, answer = self._chunk_fields(body, stamp), answers[0]
        for delta in self._glm_deltas(answer, stamp, scenario):
            yield shape | {"choices": [{"index": 0, "delta": {"role": "assistant"} | delta}]}
        last: JsonObject = {"index": 0, "finish_reason": self._finish(answer)}
        ending = shape | {"choices": [last | {"delta": {"role": "assistant", "content": ""}}]}
        if scenario.quirks:
            yield ending
        yield ending if scenario.no_usage else ending | {"usage": usage}

    def _glm_deltas(self, answer: Answer, stamp: Stamp, scenario: Scenario) -> Iterator[JsonObject]:
        yield {"content": ""}
        for piece in answer.reasoning:
            yield {"reasoning_content": piece}
        for piece in answer.pieces:
            yield {"content": piece}
        if answer.interleaved:
            yield from self._call_deltas(answer, stamp)
            return
        # GLM sends each call whole unless `tool_stream` is asked for.
        for n, call in enumerate(answer.calls):
            index = -1 if scenario.quirks else n
            yield {"tool_calls": [{"index": index} | self._tool_call(call, n, stamp)]}


def _told_schema(body: JsonObject) -> object | None:
    """Return the JSON schema that the instructions end with, which a model in JSON mode follows."""
    for message in rows(body.get("messages")):
        words = text_of(field(message, "content"))
        if field(message, "role") == "system" and "JSON schema" in words:
            try:
                told: object = msgspec.json.decode(words[words.index("{") :])
            except msgspec.DecodeError:
                continue
            return told
    return None


def _told_tool(body: JsonObject) -> str | None:
    """Return the tool the instructions demand, any where it is empty; Z.ai's own field knows only `auto`."""
    systems = (m for m in rows(body.get("messages")) if field(m, "role") == "system")
    found = (_FORCED.search(text_of(field(message, "content"))) for message in systems)
    return next((match[1] or "" for match in found if match), None)


def _illegal(message: str) -> Refusal:
    return Refusal(status=400, code="1214", message=message)


def _has_image(message: object) -> bool:
    return any(field(part, "type") == "image_url" for part in rows(field(message, "content")))


def _log_id(stamp: Stamp) -> str:
    return stamp.clock_digits() + stamp.letters("log", 16, HEX)
