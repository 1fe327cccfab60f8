"""Vendors only litellm knows, behind the same protocol as HTTP: the sole importer of the library.

Importing it costs seconds and well over 100 MiB, so it happens on the first call, in a thread, and only in
gateways that configure such a deployment. Prices, retries, fallbacks, callbacks and logs of the library
are not used.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from types import ModuleType
from typing import Any, Literal

import msgspec

from gateway.exchange import Call, Reply, TransportFailure
from policies.verdicts import OutcomeKind

_KINDS: Mapping[str, tuple[OutcomeKind, int]] = {
    "Timeout": ("timeout", 504),
    "APIConnectionError": ("connect_failed", 503),
    "ServiceUnavailableError": ("overloaded", 503),
}
"""Errors without a vendor's answer behind them, by class name; the others carry a status."""


class LitellmUpstream:
    """Speaks OpenAI's dialects to the gateway and whatever the vendor needs through the library."""

    def __init__(self, function: Literal["acompletion", "aembedding"]) -> None:
        self._function = function
        self._library: ModuleType | None = None
        self._importing = asyncio.Lock()

    async def send(self, call: Call) -> Reply:
        """Make the call; raise TransportFailure, or return the vendor's error as a reply with its status."""
        library = await self._load()
        arguments = msgspec.json.decode(call.body)
        total_s = call.timeouts.total_s
        try:
            answer = await asyncio.wait_for(
                getattr(library, self._function)(
                    **arguments,
                    api_key=call.headers.get("x-api-key") or None,
                    api_base=call.url or None,
                    timeout=total_s,
                    num_retries=0,
                    max_retries=0,
                ),
                total_s,
            )
        except TimeoutError:
            raise TransportFailure("timeout", "no answer within the total time-out") from None
        except Exception as error:  # noqa: BLE001 - the library raises its own and its vendors' classes
            return _error_reply(error)
        return _Stream(answer) if call.stream else _Whole(answer.model_dump_json().encode())

    async def close(self) -> None:
        """Leave the library's own client pools to it."""

    async def _load(self) -> ModuleType:
        async with self._importing:
            if self._library is None:
                self._library = await asyncio.to_thread(_import_litellm)
        return self._library


def _import_litellm() -> ModuleType:
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.drop_params = False
    return litellm


def _error_reply(error: Exception) -> Reply:
    kind, status = _KINDS.get(type(error).__name__, ("server_error", getattr(error, "status_code", 0)))
    if not isinstance(status, int) or not 400 <= status < 600:  # noqa: PLR2004
        raise TransportFailure(kind, f"{type(error).__name__} from the library") from None
    message = str(getattr(error, "message", error))[:500]
    response = getattr(error, "response", None)
    headers = {str(k).lower(): str(v) for k, v in dict(getattr(response, "headers", {}) or {}).items()}
    body = msgspec.json.encode({"error": {"message": message, "code": getattr(error, "code", None)}})
    return _Whole(body, status=status, headers=headers)


class _Whole:
    """A complete answer."""

    whole = False

    def __init__(self, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.headers: Mapping[str, str] = headers or {"content-type": "application/json"}
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body

    async def read(self, limit: int) -> bytes:
        if len(self._body) > limit:
            raise TransportFailure("garbled", f"the answer is longer than {limit} bytes")
        return self._body

    async def close(self) -> None:
        """Hold nothing open."""


class _Stream:
    """A streaming answer, chunk objects turned into server-sent events."""

    status = 200
    whole = False

    def __init__(self, chunks: Any) -> None:  # noqa: ANN401 - the library's stream wrapper has no public type
        self.headers: Mapping[str, str] = {"content-type": "text/event-stream"}
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._chunks:
                yield b"data: " + chunk.model_dump_json(exclude_none=True).encode() + b"\n\n"
        except Exception as error:  # noqa: BLE001 - the library raises its vendors' own classes
            raise TransportFailure("cut_off", f"{type(error).__name__} from the library") from None
        yield b"data: [DONE]\n\n"

    async def read(self, limit: int) -> bytes:
        parts = [chunk async for chunk in self]
        body = b"".join(parts)
        if len(body) > limit:
            raise TransportFailure("garbled", f"the answer is longer than {limit} bytes")
        return body

    async def close(self) -> None:
        closing = getattr(self._chunks, "aclose", None)
        if closing is not None:
            await closing()
