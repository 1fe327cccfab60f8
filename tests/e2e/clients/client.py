"""What a client under test is, what it is told to say, and how it tells what it got."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from importlib import metadata
from typing import ClassVar

TEXT = "naïve 日本 🎉 — «done»\nsecond line, with  two spaces"
"""What the vendors say: characters of every width, and white space that must survive."""
ASK = "sort these lines"
PNG = base64.b64encode(
    base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
).decode()
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER, TIME = "get_weather", "get_time"
"""The tools every client declares; each takes a city."""
ONE_CALL, TWO_CALLS = f"call {WEATHER}", f"call {WEATHER} and {TIME} in parallel"
RESULT = "rain, 7 °C"
VERDICT = {
    "type": "object",
    "properties": {"safe": {"type": "boolean"}, "why": {"type": "string"}},
    "required": ["safe", "why"],
    "additionalProperties": False,
}
WRONG_KEY = "sk-gw-0000000000000000000000000000000000000000000"


@dataclass(frozen=True, slots=True)
class Called:
    """A tool call as the client told it."""

    name: str
    arguments: object
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a client told of an answer."""

    text: str = ""
    finish: str = ""
    pieces: int = 0
    """How many pieces of text came, when streamed."""
    calls: tuple[Called, ...] = ()
    input_tokens: int = 0
    output_tokens: int = 0
    parsed: object = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Access:
    """Where a client is pointed, with what key, and how often it may try again."""

    url: str
    key: str
    retries: int = 0


class Client:
    """One library and API; a method per case, the case's name; what it cannot say is in `lacks`."""

    title: ClassVar[str]
    package: ClassVar[str]
    """The distribution whose version the table shows."""
    endpoint: ClassVar[str]
    failure: ClassVar[str] = "Exception"
    """The name of the class all errors of an answer share."""
    refusals: ClassVar[dict[int, str]] = {
        400: "BadRequestError",
        401: "AuthenticationError",
        404: "NotFoundError",
    }
    """The class of each status, by name."""
    lacks: ClassVar[dict[str, str]] = {}
    """Cases without a meaning for this client, and why."""
    tool: ClassVar[str] = WEATHER
    """The tool it calls when it says `tool_ask`, and what the tool then says."""
    tool_ask: ClassVar[str] = ONE_CALL
    tool_result: ClassVar[str] = RESULT
    reached: ClassVar[tuple[str, ...]] = ("glm-4.5", "claude-opus-4-1")
    """The models it is tried on, one of each dialect vendors speak; programs on one, for time."""
    finishes: ClassVar[tuple[str, str]] = ("stop", "tool_calls")
    """What a complete answer and a call of tools end as."""

    @classmethod
    def version(cls) -> str:
        """Return the version of the package that is tried."""
        return metadata.version(cls.package)

    def __init__(self, access: Access) -> None:
        self.access = access

    def close(self) -> None:
        """Let go of sockets and processes."""
