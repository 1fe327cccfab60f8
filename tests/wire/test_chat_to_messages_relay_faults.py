from __future__ import annotations

from typing import Any

import pytest
from anthropic_samples import STOP, bridge, chat, chunks, deltas, failed, grew, opened, sse, start, stopped

from gateway.wire.chat_to_messages.relay import ChatRelay


def relay(**asked: object) -> ChatRelay:
    """Return a fresh relay."""
    return bridge().relay(chat(**asked))


@pytest.mark.parametrize("said", [[], [opened(0, "text", text=""), grew(0, "text", "half")]])
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (failed(), "overloaded"),
        (failed("rate_limit_error"), "rate_limited"),
        (failed("api_error"), "server_error"),
        (failed("invalid_request_error", "prompt is too long: 9 > 8"), "context_overflow"),
        (failed("error_of_tomorrow"), "server_error"),
    ],
)
def test_error_event_is_a_fault(said: list[dict[str, Any]], error: dict[str, Any], kind: str) -> None:
    """An error before or after output is a fault of its kind; nothing, no finish, follows it."""
    one = relay()

    before = one.feed(sse(start(), *said, error, grew(0, "text", "more"), stopped(), STOP))

    assert one.fault is not None
    assert one.fault.kind == kind
    assert one.has_output is bool(said)
    assert b"more" not in before
    assert b'"finish_reason":"' not in before
    assert one.feed(sse(grew(0, "text", "more"))) + one.finish(None) == b""


def test_silent_truncation_is_a_fault() -> None:
    """A stream without its end is cut off: no finish, no `[DONE]`, and what was delivered is counted."""
    one = relay()
    words = [grew(0, "text", "word ") for _ in range(40)]

    body = one.feed(sse(start(output_tokens=1), opened(0, "text", text=""), *words, stopped()))
    one.close()

    assert one.fault is not None
    assert one.fault.kind == "cut_off"
    assert b'"finish_reason":"' not in body
    assert one.finish(None) == b""


def test_usage_of_a_stream_that_broke() -> None:
    """Without the vendor's last word, usage is its count of the prompt and what was delivered."""
    one = relay()
    one.feed(sse(start(output_tokens=1, cache_read_input_tokens=7), grew(0, "text", "word " * 40)))

    assert one.usage is None
    assert one.delivered_tokens == 50
    one.close()
    assert one.usage is not None
    assert one.usage.estimated
    assert (one.usage.prompt_tokens, one.usage.output_tokens) == (17, 50)


@pytest.mark.parametrize(
    "garbage",
    [
        b"data: <html>\n\n",
        b'event: x\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta"}}\n\n',
    ],
)
def test_unreadable_event_is_a_fault(garbage: bytes) -> None:
    """An event that cannot be read is not skipped: text might be missing."""
    one = relay()

    assert chunks(one.feed(sse(start()) + garbage + sse(stopped(), STOP)))
    assert one.fault is not None
    assert one.fault.kind == "garbled"


def test_role_alone_is_no_output() -> None:
    """A failure after the role chunk may still fall back; one after text may not."""
    one = relay()

    one.feed(sse(start(), opened(0, "text", text=""), grew(0, "text", "")))
    assert not one.has_output
    one.feed(sse(grew(0, "text", "x")))
    assert one.has_output


def test_last_event_without_blank_line() -> None:
    """A vendor that closes right after `message_stop` has ended its stream all the same."""
    one = relay()
    one.feed(sse(start(), opened(0, "text", text="x"), stopped(), STOP).removesuffix(b"\n\n"))
    one.close()

    assert one.fault is None
    assert chunks(one.finish(None))[-1]["choices"][0]["finish_reason"] == "stop"


def test_second_message_start_is_ignored() -> None:
    """A vendor that begins twice gets one role chunk."""
    body = relay().feed(sse(start(), start(), opened(0, "text", text="x"), stopped(), STOP))

    assert [delta for delta in deltas(body) if "role" in delta] == [{"role": "assistant", "content": ""}]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}', "overloaded"),
        (b"<html>busy</html>\n\n", "garbled"),
        (b"", "cut_off"),
    ],
)
def test_no_stream_in_a_200(body: bytes, kind: str) -> None:
    """A plain body where a stream was due is a fault of its kind, and nothing of it is passed on."""
    one = relay()

    assert one.feed(body) == b""
    one.close()
    assert one.fault is not None
    assert one.fault.kind == kind


def test_nothing_counts_after_the_end() -> None:
    """What a vendor sends after `message_stop` cannot spoil the answer."""
    one = relay()
    one.feed(sse(start(), opened(0, "text", text="x"), stopped(), STOP))

    assert one.feed(sse(failed(), grew(0, "text", "y")) + b"data: nonsense\n\n") == b""
    one.close()
    assert one.fault is None
    assert one.finish(None) == b"data: [DONE]\n\n"


def test_no_ending_before_the_end() -> None:
    """Asked to finish too early, the relay does not claim that the answer is complete."""
    one = relay()
    one.feed(sse(start(), opened(0, "text", text="x"), stopped()))

    assert one.finish({"a": 1}) == b""


def test_usage_that_never_came() -> None:
    """A stream that ends well without a last count has an estimate, marked as one."""
    one = relay()
    one.feed(sse(start(), grew(0, "text", "word " * 4), {"type": "message_delta", "delta": {}}, STOP))

    assert one.usage is not None
    assert one.usage.estimated
    assert one.usage.output_tokens == 5
