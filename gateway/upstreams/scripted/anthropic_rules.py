"""What Anthropic refuses, in its own words.

Texts after recorded 400s of api.anthropic.com; field names after the Messages API reference.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from itertools import zip_longest

from gateway.upstreams.scripted.json_view import JsonObject, field, number, rows, text

CONTEXT_TOKENS = 200_000
_COUNT_FIELDS = frozenset(
    "model messages system tools tool_choice thinking cache_control mcp_servers context_management "
    "output_config output_format speed user_profile_id workspace_id".split()
)
_FIELDS = _COUNT_FIELDS | set(
    "max_tokens metadata stop_sequences stream temperature top_p top_k service_tier container "
    "diagnostics inference_geo".split()
)
_BLOCK_FIELDS = {
    "text": {"type", "text", "cache_control", "citations"},
    "image": {"type", "source", "cache_control", "transformations"},
    "thinking": {"type", "thinking", "signature"},
    "tool_use": {"type", "id", "name", "input", "cache_control", "caller", "toolset_name"},
    "tool_result": {"type", "tool_use_id", "content", "is_error", "cache_control", "toolset_name"},
}
_MAX_OUTPUT = (
    (r"claude-opus-4-(0|1|2025)", 32_000),
    (r"claude-(sonnet-4|haiku-4-5|opus-4-5)", 64_000),
    (r"claude-3", 8_192),
)
_BOTH_SAMPLERS = r"claude-(3|opus-4-(0|2025)|sonnet-4-(0|2025))"
"""Models old enough to take temperature and top_p together."""
_THINKING_PAGE = (
    "Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking"
)
_THINKING_FIRST = (
    "When `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding "
    "the lastmost set of `tool_use` and `tool_result` blocks). We recommend you include thinking blocks "
    f"from previous turns. To avoid this requirement, disable `thinking`. {_THINKING_PAGE}"
)
_NO_SYSTEM = 'The Messages API accepts a top-level `system` parameter, not "system" as an input message role.'
_TWO_ROLES = 'Allowed roles are "user" or "assistant".'
_NON_EMPTY = "all messages must have non-empty content except for the optional final assistant message"
_NEEDS_RESULT = "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
_NEEDS_USE = "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."


def sign(thought: str) -> str:
    """Return the signature this vendor puts under a thought, and asks back unchanged."""
    digest = hashlib.blake2b(b"signature" + thought.encode(), digest_size=47).digest()
    return base64.b64encode(b"\x12" + digest).decode()  # begins as Anthropic's protobuf does


def find_fault(body: JsonObject, *, counting: bool = False) -> str | None:
    """Return the message of the 400 that Anthropic would send, None for a valid request."""
    if counting:
        return next(_extra("", body, _COUNT_FIELDS), None) or next(_message_faults(body), None)
    return next(_top_level_faults(body), None) or next(_message_faults(body), None)


def _extra(path: str, value: JsonObject, known: frozenset[str] | set[str]) -> Iterator[str]:
    yield from (f"{path}{name}: Extra inputs are not permitted" for name in value if name not in known)


def _top_level_faults(body: JsonObject) -> Iterator[str]:
    yield from (f"{name}: Field required" for name in ("max_tokens", "messages") if body.get(name) is None)
    yield from _extra("", body, _FIELDS)
    yield from _sampling_faults(body)
    model, limit = text(body.get("model")), number(body.get("max_tokens")) or 0
    most = next((tokens for pattern, tokens in _MAX_OUTPUT if re.match(pattern, model)), 128_000)
    if limit < 1:
        yield "max_tokens: Input should be greater than or equal to 1"
    if limit > most:
        known = f"which is the maximum allowed number of output tokens for {model}"
        yield f"max_tokens: {int(limit)} > {most}, {known}"
    if field(body, "thinking", "type") == "enabled":
        yield from _thinking_faults(body, limit)


def _sampling_faults(body: JsonObject) -> Iterator[str]:
    heat = number(body.get("temperature"))
    if heat is not None and not 0 <= heat <= 1:
        yield "temperature: range: 0..1"
    both = heat is not None and body.get("top_p") is not None
    if both and not re.match(_BOTH_SAMPLERS, text(body.get("model"))):
        yield "`temperature` and `top_p` cannot both be specified for this model. Please use only one."


def _thinking_faults(body: JsonObject, max_tokens: float) -> Iterator[str]:
    if max_tokens <= (number(field(body, "thinking", "budget_tokens")) or 0):
        yield f"`max_tokens` must be greater than `thinking.budget_tokens`. {_THINKING_PAGE}"
    if number(body.get("temperature")) not in {None, 1}:
        yield f"`temperature` may only be set to 1 when thinking is enabled. {_THINKING_PAGE}"
    if field(body, "tool_choice", "type") in {"any", "tool"}:
        yield "Thinking may not be enabled when tool_choice forces tool use."
    messages = rows(body.get("messages"))
    asked = [n for n, message in enumerate(messages) if _blocks(message, "tool_use")]
    if asked and asked[-1] == len(messages) - 2:
        first = text(field(rows(field(messages[asked[-1]], "content"))[0], "type"))
        if first not in {"thinking", "redacted_thinking"}:
            expected = f"messages.{asked[-1]}.content.0.type: Expected `thinking` or `redacted_thinking`"
            yield f"{expected}, but found `{first}`. {_THINKING_FIRST}"


def _message_faults(body: JsonObject) -> Iterator[str]:
    messages = rows(body.get("messages"))
    if not messages:
        yield "messages: at least one message is required"
    for n, message in enumerate(messages):
        role = field(message, "role")
        if role not in {"user", "assistant"}:
            yield f'messages: Unexpected role "{role}". {_NO_SYSTEM if role == "system" else _TWO_ROLES}'
        if isinstance(message, dict):
            yield from _extra(f"messages.{n}.", message, {"role", "content"})
        if field(message, "content") == "" and (role != "assistant" or n < len(messages) - 1):
            yield f"messages.{n}: {_NON_EMPTY}"
        for at, block in enumerate(rows(field(message, "content"))):
            yield from _block_faults(block, f"messages.{n}.content.{at}")
    for at, block in enumerate(rows(body.get("system"))):
        yield from _block_faults(block, f"system.{at}")
    yield from _pairing_faults(body, messages)


def _block_faults(block: object, path: str) -> Iterator[str]:
    kind = text(field(block, "type"))
    if isinstance(block, dict) and kind in _BLOCK_FIELDS:
        yield from _extra(f"{path}.{kind}.", block, _BLOCK_FIELDS[kind])
    if kind == "text" and not text(field(block, "text")):
        if field(block, "cache_control"):
            yield f"{path}.text: cache_control cannot be set for empty text blocks"
        yield f"{path.partition('.')[0]}: text content blocks must be non-empty"
    if kind == "thinking" and field(block, "signature") is None:
        yield f"{path}.thinking.signature: Field required"
    if kind == "thinking" and field(block, "signature") != sign(text(field(block, "thinking"))):
        yield f"{path}: Invalid `signature` in `thinking` block"
    if kind == "tool_use" and not re.fullmatch(r"[a-zA-Z0-9_-]+", text(field(block, "id"))):
        yield f"{path}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"


def _blocks(message: object, kind: str) -> list[object]:
    return [block for block in rows(field(message, "content")) if field(block, "type") == kind]


def _pairing_faults(body: JsonObject, messages: list[object]) -> Iterator[str]:
    used = any(_blocks(message, kind) for message in messages for kind in ("tool_use", "tool_result"))
    if used and not body.get("tools"):
        yield "Requests which include `tool_use` or `tool_result` blocks must define tools."
    for n, (here, after) in enumerate(zip_longest([None, *messages], messages), start=-1):
        asked = [text(field(block, "id")) for block in _blocks(here, "tool_use")]
        results = [text(field(block, "tool_use_id")) for block in _blocks(after, "tool_result")]
        if missing := [one for one in asked if one not in results]:
            what = "`tool_use` ids were found without `tool_result` blocks immediately after"
            yield f"messages.{n}: {what}: {', '.join(missing)}. {_NEEDS_RESULT}"
        if stray := [one for one in results if one not in asked]:
            found = f"unexpected `tool_use_id` found in `tool_result` blocks: {stray[0]}"
            yield f"messages.{n + 1}.content.{results.index(stray[0])}: {found}. {_NEEDS_USE}"
