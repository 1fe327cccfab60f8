"""Carry one chat stream from a vendor to a client that speak the same dialect, mostly as it comes."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gateway.exchange import ChatRequest, Fault
from gateway.wire.chat_frame import Frame, learn_frame
from gateway.wire.chat_quirks import ChatQuirks
from gateway.wire.chat_repairs import ChunkRepair
from gateway.wire.chat_usage import read_usage
from gateway.wire.splice import splice
from gateway.wire.sse import DONE, EventSplitter, blocks, encode_event, parse_block
from gateway.wire.vendor_errors import garbled, read_embedded_fault
from policies.pricing import Usage

_TEXT_BYTES_PER_TOKEN = 8
"""More than any tokenizer's average, so that the estimate stays a lower one."""
_EMPTY = frozenset({b"", b"null", b'""', b"[]", b"{}"})
_ABSENT = msgspec.Raw()


class _Delta(msgspec.Struct):
    content: msgspec.Raw = _ABSENT
    reasoning_content: msgspec.Raw = _ABSENT
    reasoning: msgspec.Raw = _ABSENT
    tool_calls: msgspec.Raw = _ABSENT
    refusal: msgspec.Raw = _ABSENT
    function_call: msgspec.Raw = _ABSENT
    audio: msgspec.Raw = _ABSENT

    @property
    def has_output(self) -> bool:
        if bytes(self.content) not in _EMPTY:
            return True
        return not _EMPTY.issuperset(map(bytes, msgspec.structs.astuple(self)))


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = _ABSENT
    error: msgspec.Raw = _ABSENT


_CHUNK = msgspec.json.Decoder(_Chunk)


class ChatRelay:
    """The Relay of chat to chat.

    A role-only chunk is returned by `feed` but is no output: while `has_output` is False the caller
    keeps what it gets, so that a fallback's stream can start afresh. When a `feed` sets `fault`, what it
    returns came before the fault and may be sent.
    """

    def __init__(self, request: ChatRequest, provider: str, quirks: ChatQuirks) -> None:
        self.has_output = False
        self.usage: Usage | None = None
        self.fault: Fault | None = None
        self._provider = provider
        self._quirks = quirks
        self._repair = ChunkRepair(quirks.finish_reasons) if quirks.incomplete_answers else None
        self._wants_usage = request.include_usage
        self._choices = request.choices
        self._splitter = EventSplitter()
        self._frame: Frame | None = None
        self._chunks = 0
        self._text_bytes = 0
        self._finishes = 0
        self._done = False
        self._usage_chunk = b""
        self._usage_is_bare = False
        self._late = b""

    def feed(self, chunk: bytes) -> bytes:
        """Take what arrived, return what to send now (possibly nothing)."""
        if self._done or self.fault is not None:
            return b""
        segment = self._splitter.feed(chunk)
        sent = self._relay(segment) if segment else b""
        if self._splitter.overflowed and not self.fault:
            self.fault = garbled("an event of the stream is too long")
        return sent

    def close(self) -> None:
        """Learn that the upstream ended the body; sets `fault` if that was too early."""
        rest = self._splitter.close()
        self._late = b"" if self._over else self._take_rest(rest)
        if not self._over and self._finishes < self._choices:
            self.fault = Fault(kind="cut_off", message="the stream ended before the answer did")

    def finish(self, receipt: Mapping[str, str | int] | None) -> bytes:
        """Return the kept-back ending; `receipt` is added to the usage chunk the client asked for."""
        if self.fault:
            return b""
        usage = self._encode_usage(receipt) if self._wants_usage and self._usage_chunk else b""
        return self._late + usage + DONE

    @property
    def delivered_tokens(self) -> int:
        """Lower estimate of the tokens: a chunk is one or more, but none is without a byte of text."""
        return max(min(self._chunks, self._text_bytes), self._text_bytes // _TEXT_BYTES_PER_TOKEN)

    @property
    def _over(self) -> bool:
        return self._done or self.fault is not None

    def _relay(self, segment: bytes) -> bytes:
        if b"\r" in segment:
            return b"".join(self._take(event) for event in blocks(segment))
        sent: list[bytes | memoryview] = []
        position, size = 0, len(segment)
        while position < size:
            run = self._frame.run(segment, position) if self._frame is not None else None
            if run is not None:
                position, relayed, chunks, text_bytes = run
                sent.append(relayed)
                self._chunks += chunks
                self._text_bytes += text_bytes
                continue
            end = segment.find(b"\n\n", position) + 2
            if end < position:
                break  # an idle line end
            sent.append(self._take(segment[position:end]))
            if self._done or self.fault is not None:
                break
            position = end
        return b"".join(sent)

    def _take(self, raw: bytes) -> bytes:
        """Read one event and return what to send for it; nothing more after the end."""
        if self._done or self.fault is not None:
            return b""
        event = parse_block(raw)
        if event is None:
            return self._take_dataless(raw)
        data = event.data
        if not data.startswith(b"{") and (bare := data.strip()) in (b"[DONE]", b""):
            self._done = bool(bare)
            return b""
        try:
            chunk = _CHUNK.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.fault = garbled("an event of the stream is not a chunk", data)
            return b""
        self.fault = self._find_fault(chunk, event.name, data)
        return b"" if self.fault is not None else self._take_chunk(chunk, raw, data)

    def _take_dataless(self, raw: bytes) -> bytes:
        """Pass comments on; anything else without data is no event stream."""
        if raw.lstrip()[:1] not in (b"{", b"<", b"["):
            return raw
        self.fault = read_embedded_fault(self._provider, raw) or garbled("not an event stream", raw)
        return b""

    def _take_rest(self, rest: bytes) -> bytes:
        """Read an ending without its blank line; half an event is as if it never came."""
        event = parse_block(rest)
        if event is None:
            self._take_dataless(rest)
            return b""
        if event.data.strip() != b"[DONE]" and not _is_json(event.data):
            return b""
        return self._take(rest.rstrip(b"\r\n") + b"\n\n")

    def _find_fault(self, chunk: _Chunk, name: str, data: bytes) -> Fault | None:
        reported = name == "error" or (chunk.error is not _ABSENT and bytes(chunk.error) not in _EMPTY)
        if reported or chunk.choices is None:
            found = read_embedded_fault(self._provider, data)
            if found or reported:
                return found or garbled("an error event without an error", data)
        for choice in chunk.choices or ():
            if choice.finish_reason and (fault := self._quirks.finish_fault((choice.finish_reason,))):
                return fault
        return None

    def _take_chunk(self, chunk: _Chunk, raw: bytes, data: bytes) -> bytes:
        choices = chunk.choices or ()
        sent = data if self._repair is None else self._repair.repair(data)
        shows_usage = chunk.usage is not _ABSENT and bytes(chunk.usage).startswith(b"{")
        if shows_usage:
            self.usage = read_usage(chunk.usage) or self.usage
            self._usage_chunk, self._usage_is_bare = data, chunk.choices == []
            sent = splice(sent, replace={}, remove=("usage",)) if choices and sent else b""
        says = False
        for choice in choices:
            self._finishes += choice.finish_reason is not None
            says = says or (choice.delta is not None and choice.delta.has_output)
        event = raw if sent is data else encode_event(sent) if sent else b""
        if says:
            self.has_output = True
            frame, text_bytes = learn_frame(raw, event)
            self._frame = None if shows_usage or self._finishes else frame
            self._chunks += 1
            self._text_bytes += text_bytes
        return event

    def _encode_usage(self, receipt: Mapping[str, str | int] | None) -> bytes:
        data = self._usage_chunk
        if not self._usage_is_bare:
            data = splice(data, replace={"choices": b"[]"})
        if self._repair:
            data = self._repair.repair(data)
        if receipt:
            data = b'%b,"gateway":%b}' % (data.rstrip()[:-1], msgspec.json.encode(dict(receipt)))
        return encode_event(data)


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
