"""A chat completion into a response, written as a stream is, its events left unsent."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.wire.anthropic_types import UNREADABLE
from gateway.wire.base import Answer
from gateway.wire.chat_to_messages.body import SignedThinking
from gateway.wire.chat_upstream.received import Choice, Received, Said, read_received
from gateway.wire.responses_to_chat.form import ResponseForm
from gateway.wire.responses_to_chat.writer import ResponseWriter
from gateway.wire.vendor_errors import garbled


def translate_answer(answer: Answer, form: ResponseForm) -> Answer:
    """Return the response for a chat bridge's answer; a fault stays one."""
    if answer.fault is not None:
        return answer
    try:
        received = read_received(answer.body)
    except UNREADABLE as error:
        fault = garbled(f"the answer cannot be read: {error}", answer.body)
        return Answer(body=b"", usage=answer.usage, fault=fault)
    writer = ResponseWriter(form)
    _write(writer, received)
    return Answer(body=msgspec.json.encode(writer.respond(answer.usage)), usage=answer.usage)


def _write(writer: ResponseWriter, received: Received) -> None:
    choice = received.choices[0] if received.choices else Choice()
    said = choice.message or Said()
    writer.write(Received(received.id, received.model))
    if said.thinking_blocks:
        _write_signed(writer, said.thinking_blocks)
        said.reasoning_content = said.reasoning = None
    writer.write(Received(choices=[Choice(delta=said, finish_reason=choice.finish_reason)]))
    writer.close()


def _write_signed(writer: ResponseWriter, blocks: Sequence[SignedThinking]) -> None:
    for block in blocks:
        if block.type == "redacted_thinking":
            writer.redact(block.data or "")
        else:
            writer.reason(block.thinking)
            writer.sign(block.signature or "")
