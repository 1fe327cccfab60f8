"""Where vendors that call themselves OpenAI-compatible are not, as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from gateway.exchange import Fault
from policies.verdicts import OutcomeKind


class ChatQuirks(msgspec.Struct, frozen=True, kw_only=True):
    """How one provider's chat dialect departs from OpenAI's; the defaults are no departure."""

    renamed_fields: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Request fields the vendor knows by another name."""
    renamed_roles: Mapping[str, str] = msgspec.field(default_factory=dict)
    maxima: Mapping[str, float] = msgspec.field(default_factory=dict)
    """Request fields whose numbers the vendor bounds more tightly."""
    refused_fields: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Request fields the vendor would silently ignore, and what the client is told of each."""
    max_stops: int | None = None
    """How many stop sequences a request may have, always in a list; None leaves it to the vendor."""
    user_field: str = "user"
    """Where the end user's name goes."""
    user_chars: tuple[int, int] | None = None
    """How short and how long a user's name may be; another is replaced by its digest."""
    chooses_tools_alone: bool = False
    """The vendor's `tool_choice` knows `auto` only."""
    lacks_json_schema: bool = False
    """Answers can be made JSON objects, but not to follow a schema."""
    incomplete_answers: bool = False
    """Answers and chunks may lack fields, repeat roles and finishes, or number tool calls wrongly."""
    finish_reasons: Mapping[str, str] = msgspec.field(default_factory=dict)
    """The vendor's own finish reasons in OpenAI's words."""
    failed_finishes: Mapping[str, OutcomeKind] = msgspec.field(default_factory=dict)
    """Finish reasons that mean the answer failed."""

    def finish_fault(self, reasons: Iterable[str | None]) -> Fault | None:
        """Return the fault that one of the finish reasons stands for; None where all are fine."""
        for reason in reasons:
            kind = self.failed_finishes.get(reason or "")
            if kind:
                return Fault(kind=kind, message=f"the vendor ended the answer with `{reason}`")
        return None


NO_QUIRKS = ChatQuirks()
"""Those of every provider that is not known to have any."""
_QUIRKS: Mapping[str, ChatQuirks] = {
    # https://docs.z.ai/api-reference/llm/chat-completion
    "zai": ChatQuirks(
        renamed_fields={"max_completion_tokens": "max_tokens"},
        renamed_roles={"developer": "system"},
        maxima={"temperature": 1},
        refused_fields={
            "n": "this model gives one answer at a time; leave `n` out or send 1",
            "logprobs": "this model tells no log probabilities; leave `logprobs` out",
            "top_logprobs": "this model tells no log probabilities; leave `top_logprobs` out",
            "functions": "this model knows `tools` but not their older form `functions`; send `tools`",
        },
        max_stops=1,
        user_field="user_id",
        user_chars=(6, 128),
        chooses_tools_alone=True,
        lacks_json_schema=True,
        incomplete_answers=True,
        finish_reasons={"sensitive": "content_filter", "model_context_window_exceeded": "length"},
        failed_finishes={"network_error": "server_error"},
    ),
}


def quirks_of(provider: str) -> ChatQuirks:
    """Return the provider's quirks; none for one that is not known to have any."""
    return _QUIRKS.get(provider, NO_QUIRKS)
