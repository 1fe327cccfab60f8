"""What a response repeats of its request, and what of the request its writing depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Raw, Struct

from gateway.wire.anthropic_types import ABSENT, present
from gateway.wire.openai_responses.body import Tool
from gateway.wire.openai_responses.items import Incomplete, OutputItem, SentResponse, Status, response_usage
from gateway.wire.responses_to_chat.tools import Origin, open_toolbox
from policies.pricing import Usage

_NULL = Raw(b"null")
_NO_REASONING = Raw(b'{"effort":null,"summary":null}')
_NO_TOOLS = Raw(b"[]")
_PLAIN_TEXT = Raw(b'{"format":{"type":"text"}}')


class _Echo(Struct):
    instructions: Raw = ABSENT
    max_output_tokens: int | None = None
    metadata: Raw = ABSENT
    parallel_tool_calls: bool | None = None
    reasoning: Raw = ABSENT
    temperature: float | None = None
    text: Raw = ABSENT
    tool_choice: Raw = ABSENT
    tools: Raw = ABSENT
    top_p: float | None = None
    user: str | None = None


_ECHO = msgspec.json.Decoder(_Echo)
_TOOLS = msgspec.json.Decoder(list[Tool])


class ResponseForm(Struct, frozen=True, kw_only=True):
    """The form one response takes."""

    created: int
    """Unix time in seconds."""
    model: str
    """Stands in where the vendor names none."""
    origins: Mapping[str, Origin]
    echo: _Echo

    def response(
        self,
        response_id: str,
        model: str,
        *,
        status: Status = "in_progress",
        output: Sequence[OutputItem] = (),
        incomplete: Incomplete | None = None,
        usage: Usage | None = None,
    ) -> SentResponse:
        """Return the response as it stands."""
        echo = self.echo
        return SentResponse(
            id=response_id,
            created_at=self.created,
            model=model,
            status=status,
            instructions=_or(echo.instructions, _NULL),
            max_output_tokens=echo.max_output_tokens,
            metadata=_or(echo.metadata, Raw(b"{}")),
            parallel_tool_calls=echo.parallel_tool_calls is not False,
            reasoning=_or(echo.reasoning, _NO_REASONING),
            temperature=echo.temperature,
            text=_or(echo.text, _PLAIN_TEXT),
            tool_choice=_or(echo.tool_choice, Raw(b'"auto"')),
            tools=_or(echo.tools, _NO_TOOLS),
            top_p=echo.top_p,
            user=echo.user,
            output=output,
            incomplete_details=incomplete,
            usage=None if usage is None else response_usage(usage),
        )


def response_form(raw: bytes, *, created: int, model: str) -> ResponseForm:
    """Return the form of the response to a request that was translated before."""
    one_line = raw if b"\n" not in raw and b"\r" not in raw else msgspec.json.format(raw, indent=-1)
    echo = _ECHO.decode(one_line)  # what is repeated must not break an event's line
    origins = open_toolbox(_TOOLS.decode(_or(echo.tools, _NO_TOOLS))).origins
    return ResponseForm(created=created, model=model, origins=origins, echo=echo)


def _or(value: Raw, default: Raw) -> Raw:
    return value if bytes(present(value)) else default
