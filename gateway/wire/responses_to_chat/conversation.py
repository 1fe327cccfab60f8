"""A Responses input into chat messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from gateway.errors import InvalidRequest, Unsupported
from gateway.wire.chat_to_messages.answer import compact
from gateway.wire.chat_upstream.body import FileData, FilePart, ImagePart, ImageUrl, SentTurn, TextPart
from gateway.wire.chat_upstream.body import Part as SentPart
from gateway.wire.chat_upstream.history import FAILED, PARAGRAPH, ChatHistory
from gateway.wire.openai_responses.body import Item, Outcome, Part, ResponsesBody
from gateway.wire.openai_responses.sealed import unseal
from gateway.wire.responses_to_chat.tools import SHELL, function_name

LEFT_OUT: Mapping[str, str] = {
    "web_search_call": "what it found is in the answer that followed",
    "file_search_call": "what it found is in the answer that followed",
    "image_generation_call": "the image is OpenAI's; what was said of it stays",
    "tool_search_call": "loads tools; those declared now are all here",
    "tool_search_output": "loads tools; those declared now are all here",
    "compaction": "only OpenAI can read it",
    "ghost_snapshot": "a client's note to itself",
}
"""Items of a history that began elsewhere which chat vendors have no use for, and why."""

_PartReader = Callable[[Part, str], SentPart]


def translate(body: ResponsesBody, *, takes_reasoning: bool, shows_results: bool) -> list[SentTurn]:
    """Return the conversation as chat vendors accept it.

    What the assistant says, thinks and calls in a row becomes one message. `takes_reasoning` hands visible
    reasoning back to its vendor; signed reasoning travels as `thinking_blocks` where `shows_results` says
    that a Messages bridge reads them, and images stay in their tool's message then.

    Raises:
        Unsupported, InvalidRequest: with the `param` of the item at fault.

    """
    reader = _Reader(takes_reasoning=takes_reasoning, shows_results=shows_results)
    reader.history.system(body.instructions or "")
    given = [Item(role="user", content=body.input)] if isinstance(body.input, str) else body.input
    for at, item in enumerate(given):
        reader.read(item, f"input[{at}]")
    return reader.history.close()


class _Reader:
    def __init__(self, *, takes_reasoning: bool, shows_results: bool) -> None:
        self.history = ChatHistory(shows_results=shows_results)
        self._takes_reasoning = takes_reasoning
        self._takes_signed = shows_results

    def read(self, item: Item, place: str) -> None:
        """Add one item to the history."""
        match item.type:
            case "message":
                self._message(item, place)
            case "reasoning":
                self._reasoning(item)
            case "function_call":
                name = function_name(item.name, item.namespace)
                self.history.call(_call_id(item, place), name, item.arguments or "{}")
            case "custom_tool_call":
                arguments = msgspec.json.encode({"input": item.input}).decode()
                name = function_name(item.name, item.namespace)
                self.history.call(_call_id(item, place), name, arguments)
            case "local_shell_call":
                self.history.call(_call_id(item, place), SHELL, compact(item.action))
            case "function_call_output" | "custom_tool_call_output" | "local_shell_call_output":
                self.history.result(_call_id(item, place), _output(item.output, f"{place}.output"))
            case kind if kind not in LEFT_OUT:
                raise Unsupported(
                    f"items of type `{kind}` cannot be sent to this model; send messages and tool calls",
                    param=f"{place}.type",
                )

    def _message(self, item: Item, place: str) -> None:
        parts = read_parts(item.content, f"{place}.content")
        if item.role == "user":
            self.history.user(parts)
            return
        text = PARAGRAPH.join(part.text for part in parts if isinstance(part, TextPart))
        if item.role == "assistant":
            self.history.say(text)
        else:
            self.history.system(text)

    def _reasoning(self, item: Item) -> None:
        signed = unseal(item.encrypted_content)
        if signed:
            self.history.sign(signed if self._takes_signed else ())
        elif self._takes_reasoning:
            self.history.reason(PARAGRAPH.join(part.text for part in item.summary or () if part.text))


def read_parts(content: str | Sequence[Part] | None, place: str) -> list[SentPart]:
    """Return a content's parts, without empty texts; raise Unsupported for what chat has no word for."""
    if content is None or isinstance(content, str):
        return [TextPart(content)] if content else []
    parts = [_part(part, f"{place}[{at}]") for at, part in enumerate(content)]
    return [part for part in parts if not isinstance(part, TextPart) or part.text]


def _output(output: str | Sequence[Part] | Outcome | None, place: str) -> list[SentPart]:
    if isinstance(output, Outcome):
        failed = [FAILED] if output.success is False else []
        return [TextPart(text) for text in (*failed, output.content)]
    return read_parts(output, place)


def _part(part: Part, place: str) -> SentPart:
    reader = _READERS.get(part.type)
    if reader is None:
        raise Unsupported(
            f"content parts of type `{part.type}` cannot be sent to this model; use text, images or files",
            param=f"{place}.type",
        )
    return reader(part, place)


def _text(part: Part, _place: str) -> SentPart:
    return TextPart(part.text or part.refusal or "")


def _image(part: Part, place: str) -> SentPart:
    if not part.image_url:
        raise _stored("images", f"{place}.image_url")
    return ImagePart(ImageUrl(part.image_url, part.detail))


def _file(part: Part, place: str) -> SentPart:
    if not part.file_data:
        raise _stored("files", f"{place}.file_data")
    return FilePart(FileData(part.file_data, part.filename))


def _stored(what: str, param: str) -> Unsupported:
    return Unsupported(f"{what} can only be sent inline here; send them as a data URI", param=param)


def _call_id(item: Item, place: str) -> str:
    call_id = item.call_id or item.id
    if not call_id:
        raise InvalidRequest("a tool call and its output need a `call_id`", param=f"{place}.call_id")
    return call_id


_READERS: Mapping[str, _PartReader] = {
    "input_text": _text,
    "output_text": _text,
    "text": _text,
    "refusal": _text,
    "input_image": _image,
    "input_file": _file,
}
