"""How the fake vendors misbehave: one value per call, written in Python or in a URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import unquote

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0)]
Status = Annotated[int, msgspec.Meta(ge=200, le=599)]


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do with a call; the default is to answer it well.

    An event is one SSE event as it goes over the wire, the role chunk or `message_start` included.
    """

    status: Status = 200
    """Answer with this HTTP status and the vendor's own error."""
    code: str | None = None
    """The vendor's code in that error, such as Z.ai's 1113 for an empty account."""
    retry_after: Count | None = None
    """Seconds, sent as a `retry-after` header."""
    body: Literal["json", "html", "empty"] = "json"
    """What the error's body is."""
    fail_first: Count = 0
    """Only the first N calls meet the faults (503 where none is named); later ones are answered well."""
    delay_first_ms: Count = 0
    """Wait before the answer's head."""
    delay_event_ms: Count = 0
    """Wait before every event."""
    hang: bool = False
    """Never answer; wait for the client to leave."""
    hang_after_events: Count | None = None
    """Stream N events, then wait for the client to leave."""
    garbage: bool = False
    """Answer 200 with an HTML page."""
    empty: bool = False
    """Answer 200 with no bytes."""
    cut_after_events: Count | None = None
    """Close the socket after N events; a plain answer is cut in the middle."""
    end_after_events: Count | None = None
    """End the stream's body in good order after N events: no finish reason, no end mark, no error."""
    error_after_events: Count | None = None
    """Put the vendor's error into the stream after N events; a plain answer is a 200 holding the error."""
    no_usage: bool = False
    usage_every_chunk: bool = False
    broken_tool_json: bool = False
    """Tool arguments that do not parse (in Anthropic's plain answers, which cannot break: an empty input)."""
    refusal: bool = False
    truncated: bool = False
    """Stop half way, as if `max_tokens` were reached."""
    interleaved_tools: Count = 0
    """Call N tools; where the dialect allows it their argument fragments take turns."""
    quirks: bool = False
    """Z.ai's rare ones: a tool index of -1, and a second finish chunk."""
    events: Count | None = None
    """Exactly N text events, whatever `max_tokens` says."""
    content: str | None = None
    """Answer with this text."""
    huge_event_kb: Count = 0
    """Add one text event of this size, whatever `max_tokens` says."""
    chunk_bytes: Count = 0
    """Write the stream in pieces of N bytes, cutting characters and lines."""
    crlf: bool = False
    """End the stream's lines with CR LF."""

    def for_call(self, nth: int) -> Scenario:
        """Return what the `nth` call (from 0) meets."""
        if not self.fail_first:
            return self
        if nth >= self.fail_first:
            return msgspec.structs.replace(self, **_FAULTLESS)
        is_faulty = any(getattr(self, name) != value for name, value in _FAULTLESS.items())
        return self if is_faulty else msgspec.structs.replace(self, status=503)

    @property
    def is_sized(self) -> bool:
        """Whether the answer's length is set here."""
        return self.events is not None or self.huge_event_kb > 0


HTTP_OK = 200
_FAULTLESS: dict[str, int | bool | None] = {
    "status": HTTP_OK,
    **dict.fromkeys(("hang", "garbage", "empty", "broken_tool_json", "refusal", "truncated"), False),
    **dict.fromkeys(("cut_after_events", "end_after_events", "error_after_events", "hang_after_events")),
}


class Script:
    """Scenarios by model name, changeable while the server runs; `*` stands for every other model."""

    def __init__(self, by_model: Mapping[str, Scenario] | None = None) -> None:
        self._by_model = dict(by_model or {})

    def set(self, model: str, scenario: Scenario) -> None:
        """Declare what calls of `model` meet from now on."""
        self._by_model[model] = scenario

    def find(self, model: str) -> Scenario:
        """Return the scenario of `model`."""
        return self._by_model.get(model) or self._by_model.get("*") or Scenario()


def parse_scenario(text: str) -> Scenario:
    """Return the Scenario written as `status=429,retry_after=34`; values are percent-decoded.

    Raises ValueError for an unknown name or a value of the wrong kind.
    """
    pairs = (part.partition("=") for part in text.split(",") if part)
    fields = {name: unquote(value).strip('"') if given else "true" for name, given, value in pairs}
    try:
        return msgspec.convert(fields, Scenario, strict=False)
    except msgspec.ValidationError as error:
        names = ", ".join(Scenario.__struct_fields__)
        raise ValueError(f"unreadable scenario `{text}`: {error}; the names are {names}") from error
