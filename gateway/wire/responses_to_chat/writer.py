"""The events of a response, made of chat chunks; a response given whole is made of one.

Source: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.wire.chat_upstream.received import Call, Choice, Function, Received, Said, arguments_text
from gateway.wire.chat_upstream.relay import Receipt
from gateway.wire.chat_upstream.saying import SayingKind
from gateway.wire.openai_responses.items import Incomplete, OutputItem, SentResponse, Status
from gateway.wire.responses_to_chat.calls import OpenCall
from gateway.wire.responses_to_chat.events import Events, Place
from gateway.wire.responses_to_chat.form import ResponseForm
from gateway.wire.responses_to_chat.spoken import MessageKind, OpenMessage, OpenReasoning
from gateway.wire.responses_to_chat.tools import Origin
from policies.pricing import Usage

_INCOMPLETE = {"length": Incomplete("max_output_tokens"), "content_filter": Incomplete("content_filter")}


class ResponseWriter:
    """Writes one response, an item after the other as OpenAI does: what reads its streams relies on that.

    Chat vendors may let calls grow in turns: the first grows as it comes, calls behind it wait until it is
    complete.
    """

    def __init__(self, form: ResponseForm) -> None:
        self._form = form
        self._events = Events()
        self._began = False
        self._answer_id = ""
        self._model = form.model
        self._output: dict[int, OutputItem] = {}
        """Items that ended, by their place."""
        self._places = 0
        self._spoken: OpenMessage | OpenReasoning | None = None
        self._calls: dict[int, OpenCall] = {}
        """The newest call at each of the vendor's indexes."""
        self._queue: list[OpenCall] = []
        """Calls not ended, oldest first; the first has begun."""
        self._finish: str | None = None

    def write(self, chunk: Received) -> bytes:
        """Return the events for one chunk."""
        return self._start(chunk) + b"".join([self._choice(choice) for choice in chunk.choices or ()])

    def say(self, kind: SayingKind, said: Sequence[str], texts: Sequence[bytes]) -> bytes | None:  # noqa: ARG002
        """Return the deltas of an item that is open already; None where one has to begin."""
        spoken = self._spoken
        if kind == "text":
            is_open = isinstance(spoken, OpenMessage) and spoken.kind == "output_text"
        else:
            is_open = isinstance(spoken, OpenReasoning) and not spoken.is_sealed
        if spoken is None or not is_open or not all(said):
            return None
        return b"".join([spoken.grow(text) for text in said])

    def reason(self, text: str) -> bytes:
        """Return the events for some reasoning; what follows a signature is another thought."""
        spoken = self._spoken
        if isinstance(spoken, OpenReasoning) and not spoken.is_sealed:
            return spoken.grow(text)
        opened = OpenReasoning(self._place())
        return self._speak(opened) + opened.grow(text)

    def sign(self, signature: str) -> None:
        """Add to the signature of the reasoning just written."""
        if isinstance(self._spoken, OpenReasoning):
            self._spoken.signature += signature

    def redact(self, data: str) -> bytes:
        """Return the events for reasoning that its vendor encrypted."""
        return self._start(Received()) + self._speak(OpenReasoning(self._place(), data))

    def close(self) -> bytes:
        """Return the events that end what is open."""
        status = self._last_status
        spoken = self._start(Received()) + self._shut(status)
        return spoken + b"".join([self._end_call(status) for _ in tuple(self._queue)])

    def finish(self, usage: Usage, receipt: Receipt | None) -> bytes:
        """Return the last events; the very last has the whole response."""
        ended = self.close()
        response = self.respond(usage)
        members: dict[str, object] = {"response": response}
        if receipt is not None:
            members["gateway"] = dict(receipt)
        return ended + self._events.event(f"response.{response.status}", members)

    def respond(self, usage: Usage | None) -> SentResponse:
        """Return the whole response; everything in it has ended."""
        return self._form.response(
            f"resp_{self._answer_id}",
            self._model,
            status=self._last_status,
            output=[item for _, item in sorted(self._output.items())],
            incomplete=_INCOMPLETE.get(self._finish or ""),
            usage=usage,
        )

    @property
    def _last_status(self) -> Status:
        return "incomplete" if self._finish in _INCOMPLETE else "completed"

    def _start(self, chunk: Received) -> bytes:
        if self._began:
            return b""
        self._began = True
        self._answer_id = (chunk.id or "").removeprefix("chatcmpl-")
        self._model = chunk.model or self._model
        response = {"response": self._form.response(f"resp_{self._answer_id}", self._model)}
        created = self._events.event("response.created", response)
        return created + self._events.event("response.in_progress", response)

    def _choice(self, choice: Choice) -> bytes:
        self._finish = choice.finish_reason or self._finish
        said = choice.delta or Said()
        thought = self.reason(said.thought) if said.thought else b""
        spoken = self._say("output_text", said.text) + self._say("refusal", said.refusal)
        return thought + spoken + b"".join([self._call(call) for call in said.tool_calls or ()])

    def _say(self, kind: MessageKind, text: str | None) -> bytes:
        if not text:
            return b""
        spoken = self._spoken
        if isinstance(spoken, OpenMessage) and spoken.kind == kind:
            return spoken.grow(text)
        opened = OpenMessage(self._place(), kind)
        return self._speak(opened) + opened.grow(text)

    def _call(self, piece: Call) -> bytes:
        function, index = piece.function or Function(), piece.index or 0
        call, begun = self._calls.get(index), b""
        if call is None or (piece.id and piece.id != call.call_id):
            call = self._calls[index] = self._open_call(piece.id or "", function.name or "")
            begun = self._line_up(call)
        text = arguments_text(function.arguments)
        if not text or call not in self._queue:
            return begun  # a call that ended was complete: white space at most
        if call is self._queue[0]:
            return begun + call.grow(text)
        call.wait(text)
        return begun

    def _open_call(self, call_id: str, name: str) -> OpenCall:
        return OpenCall(call_id, self._form.origins.get(name) or Origin("function", name))

    def _line_up(self, call: OpenCall) -> bytes:
        ended = self._shut("completed") + self._end_complete_calls()
        self._queue.append(call)
        return ended + call.start(self._place()) if len(self._queue) == 1 else ended

    def _end_complete_calls(self) -> bytes:
        ended = b""
        while self._queue and self._queue[0].is_complete():
            ended += self._end_call("completed")
        return ended

    def _place(self) -> Place:
        self._places += 1
        return Place(answer_id=self._answer_id, at=self._places - 1, events=self._events)

    def _speak(self, opened: OpenMessage | OpenReasoning) -> bytes:
        shut = self._shut("completed") + self._end_complete_calls()
        self._spoken = opened
        return shut + opened.start()

    def _shut(self, status: Status) -> bytes:
        """End the open text or reasoning."""
        spoken, self._spoken = self._spoken, None
        if spoken is None:
            return b""
        self._output[spoken.at] = spoken.item(status)
        return spoken.end(status)

    def _end_call(self, status: Status) -> bytes:
        """End the first call and begin the next in line, with all it has been waiting to say."""
        call = self._queue.pop(0)
        ended = call.end(status)
        self._output[call.at] = call.item(status)
        return ended + self._queue[0].start(self._place()) if self._queue else ended
