"""What a fake vendor must be able to do, and the values it answers with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec

from gateway.upstreams.scripted.json_view import JsonObject
from gateway.upstreams.scripted.scenario import Scenario
from gateway.upstreams.scripted.text import Stamp


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """An error in the vendor's words."""

    status: int
    message: str
    code: str | None = None
    """OpenAI's and Z.ai's `code`."""
    kind: str | None = None
    """OpenAI's and Anthropic's `type`."""
    param: str | None = None


class Rendering(msgspec.Struct, frozen=True, kw_only=True):
    """An answer in a dialect: the plain body, and the SSE events where a stream was asked for."""

    body: JsonObject
    events: Iterable[bytes] | None = None


class Vendor(Protocol):
    """One dialect as one vendor speaks it."""

    stream_type: str
    """The content type of its streams."""

    def refuse_caller(self, headers: Mapping[str, str]) -> Refusal | None:
        """Return what the vendor says to these credentials, None if they will do."""
        ...

    def refuse_request(self, body: JsonObject) -> Refusal | None:
        """Return the vendor's 4xx for this body, None if it is valid."""
        ...

    def answer(self, body: JsonObject, scenario: Scenario, stamp: Stamp) -> Rendering:
        """Return the answer to a valid body."""
        ...

    def failure(self, status: int, code: str | None) -> Refusal:
        """Return what the vendor says with this status; the code replaces the usual one."""
        ...

    def error_body(self, refusal: Refusal, stamp: Stamp) -> JsonObject:
        """Return the vendor's JSON error body."""
        ...

    def error_event(self, stamp: Stamp) -> bytes:
        """Return the SSE event by which the vendor reports a failure in the middle of a stream."""
        ...

    def headers(self, stamp: Stamp) -> dict[str, str]:
        """Return the headers every answer of the vendor carries."""
        ...


def encode_event(data: object, name: str | None = None) -> bytes:
    """Return one SSE event."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + msgspec.json.encode(data) + b"\n\n"


def bearer_token(headers: Mapping[str, str]) -> str:
    """Return the bearer token, empty if there is none."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


WRONG_KEY = "sk-wrong"
"""The one key that every fake vendor refuses."""
