"""Make a vendor's incomplete answers and chunks what OpenAI's clients expect.

Works on decoded JSON: unknown fields stay, members that are not of the expected type are left alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

_ANSWER = "chat.completion"
_CHUNK = "chat.completion.chunk"
_DOCUMENT = msgspec.json.Decoder(dict[str, object])


class ChunkRepair:
    """Repairs the chunks of one stream, remembering what went before.

    Every chunk gets `id`, `object` and, in each choice, `index` and `finish_reason`; the role comes once
    and first; a choice finishes once; tool calls are numbered from 0 by their ids.
    """

    __slots__ = ("_finish_reasons", "_finished", "_id", "_roles", "_tools")

    def __init__(self, finish_reasons: Mapping[str, str]) -> None:
        self._finish_reasons = finish_reasons
        self._id = ""
        self._roles: set[int] = set()
        self._finished: set[int] = set()
        self._tools: dict[int, _ToolNumbers] = {}

    def repair(self, data: bytes) -> bytes:
        """Return the chunk repaired; empty where it only repeats an ending."""
        chunk = _DOCUMENT.decode(data)
        self._id = self._id or _text(chunk.get("id")) or _made_up_id(data)
        choices = _objects(chunk.get("choices"))
        kept = [choice for choice in choices if self._repair_choice(choice)]
        if choices and not kept:
            return b""
        head = {"id": self._id, "object": _CHUNK}
        return msgspec.json.encode({**head, **_present(chunk), "choices": kept})

    def _repair_choice(self, choice: dict[str, object]) -> bool:
        """Repair one choice in place; False where it only repeats an ending."""
        index = choice["index"] = _whole(choice.get("index")) or 0
        delta = _object(choice.get("delta"))
        role = delta.pop("role", None) or "assistant"
        choice["delta"] = delta if index in self._roles else {"role": role, **delta}
        self._roles.add(index)
        for call in _objects(delta.get("tool_calls")):
            call["index"] = self._tools.setdefault(index, _ToolNumbers()).number(call)
        reason = choice.setdefault("finish_reason", None)
        if reason is None:
            return True
        finished = index in self._finished
        self._finished.add(index)
        choice["finish_reason"] = None if finished else self._finish_reasons.get(str(reason), reason)
        return bool(delta) or not finished


class _ToolNumbers:
    """The numbers of one choice's tool calls: by id where there is one, else the vendor's last open one."""

    __slots__ = ("_by_id", "_by_vendor_index")

    def __init__(self) -> None:
        self._by_id: dict[str, int] = {}
        self._by_vendor_index: dict[int | None, int] = {}

    def number(self, call: Mapping[str, object]) -> int:
        vendor_index = _whole(call.get("index"))
        ident = _text(call.get("id"))
        if ident:
            number = self._by_id.setdefault(ident, len(self._by_id))
            self._by_vendor_index[vendor_index] = number
            return number
        return self._by_vendor_index.get(vendor_index, max(0, len(self._by_id) - 1))


def repair_answer(body: bytes, finish_reasons: Mapping[str, str]) -> bytes:
    """Return a complete answer with `id`, `object`, finish reasons and tool call numbers in order.

    An answer that lacks nothing is returned as the same bytes.
    """
    answer = _DOCUMENT.decode(body)
    before = msgspec.json.encode(answer)
    for place, choice in enumerate(_objects(answer.get("choices"))):
        choice.setdefault("index", place)
        _repair_message(choice, finish_reasons)
    head = {"id": _text(answer.get("id")) or _made_up_id(body), "object": _ANSWER}
    after = msgspec.json.encode({**head, **_present(answer)} if _lacks(answer, head) else answer)
    return body if after == before else after


def _repair_message(choice: dict[str, object], finish_reasons: Mapping[str, str]) -> None:
    calls = _objects(_object(choice.get("message")).get("tool_calls"))
    for number, call in enumerate(calls):
        if "index" in call:
            call["index"] = number
    reason = choice.get("finish_reason") or ("tool_calls" if calls else "stop")
    choice["finish_reason"] = finish_reasons.get(str(reason), reason)


def _lacks(document: Mapping[str, object], names: Mapping[str, object]) -> bool:
    return any(not document.get(name) for name in names)


def _present(document: Mapping[str, object]) -> dict[str, object]:
    """Leave out null or empty `id` and `object`, so that they do not hide the made-up ones."""
    return {name: value for name, value in document.items() if value or name not in ("id", "object")}


def _objects(value: object) -> list[dict[str, object]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _made_up_id(seed: bytes) -> str:
    return f"chatcmpl-{hashlib.blake2b(seed, digest_size=12).hexdigest()}"
