from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.sse import Event, EventSplitter, blocks, encode_event, events

STREAMS = (
    b'data: {"a":1}\n\ndata: {"b":"x\xe2\x80\xa8y"}\n\ndata: [DONE]\n\n',
    b"\xef\xbb\xbfdata:one\r\n\r\n: ping\r\n\r\nevent: error\r\ndata: two\r\ndata: three\r\n\r\n",
    b"data: one\r\rid: 7\rdata: two\r\r\n\ndata\n\n",
    b"data: caf\xc3\xa9\n\r\ndata: x\r\n\n\n\ndata:  y\n\r",
)


def read_in_pieces(stream: bytes, cuts: list[int]) -> list[tuple[str, bytes]]:
    """Parse a stream that arrives cut at the given places."""
    splitter = EventSplitter()
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    segments = [splitter.feed(stream[a:b]) for a, b in pairwise(edges)]
    return [(event.name, event.data) for segment in segments for event in events(segment)]


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        (b"data: x\n\n", [("", b"x")]),
        (b"data:x\n\n", [("", b"x")]),
        (b"data:  x\n\n", [("", b" x")]),
        (b"data: a\ndata:\ndata: b\n\n", [("", b"a\n\nb")]),
        (b"event: ping\ndata: {}\n\n", [("ping", b"{}")]),
        (b"event:ping\r\ndata: {}\r\n\r\n", [("ping", b"{}")]),
        (b": comment\n\nid: 1\nretry: 5\n\n", []),
        (b"data\n\n", [("", b"")]),
        (b"data: x\xe2\x80\xa8y\xc2\x85z\n\n", [("", b"x\xe2\x80\xa8y\xc2\x85z")]),
        (b"data: unfinished\n", []),
    ],
)
def test_parses_by_the_rules(segment: bytes, expected: list[tuple[str, bytes]]) -> None:
    """Fields, comments and line ends read as the standard says."""
    assert [(event.name, event.data) for event in events(segment)] == expected


@settings(deadline=None)
@given(st.sampled_from(STREAMS), st.lists(st.integers(min_value=0, max_value=200), max_size=30))
def test_any_chunking_same_events(stream: bytes, cuts: list[int]) -> None:
    """Where the network cuts the stream makes no difference."""
    assert read_in_pieces(stream, cuts) == read_in_pieces(stream, [])


@pytest.mark.parametrize("stream", STREAMS)
def test_bytewise_same_events(stream: bytes) -> None:
    """A byte at a time is the hardest chunking."""
    assert read_in_pieces(stream, list(range(len(stream)))) == read_in_pieces(stream, [])


def test_unfinished_event_waits() -> None:
    """An event is passed on only when it is whole, with its own bytes."""
    splitter = EventSplitter()
    assert splitter.feed(b"data: a\n\ndata: b") == b"data: a\n\n"
    assert splitter.feed(b"c\n") == b""
    assert splitter.feed(b"\ndata: d\n\n") == b"data: bc\n\ndata: d\n\n"
    assert splitter.close() == b""


def test_whole_chunks_pass_uncopied() -> None:
    """A chunk of whole events is handed on as the same object."""
    splitter = EventSplitter()
    splitter.feed(b"data: first\n\n")
    chunk = b"data: a\n\ndata: b\n\n"
    assert splitter.feed(chunk) is chunk


def test_crlf_leaves_nothing() -> None:
    """A CRLF stream is cut after its line feed."""
    splitter = EventSplitter()
    assert splitter.feed(b"data: a\r\n\r\nda") == b"data: a\r\n\r\n"
    assert splitter.close() == b"da"


def test_close_returns_rest() -> None:
    """What never got its blank line is not lost."""
    splitter = EventSplitter()
    splitter.feed(b"data: a\n\ndata: [DONE]\n")
    assert splitter.close() == b"data: [DONE]\n"
    assert splitter.close() == b""


def test_endless_event_overflows() -> None:
    """An event beyond the bound is dropped and nothing follows it."""
    splitter = EventSplitter(max_event_bytes=100)
    assert splitter.feed(b"data: ok\n\n") == b"data: ok\n\n"
    assert splitter.feed(b"data: " + b"x" * 200) == b""
    assert splitter.overflowed
    assert splitter.feed(b"data: late\n\n") == b""
    assert splitter.close() == b""


def test_large_event_in_bounds() -> None:
    """An 8 MB event arriving in 16 KB chunks comes out whole."""
    splitter = EventSplitter()
    event = b"data: " + b"x" * (8 * 1024 * 1024 - 8) + b"\n\n"
    chunks = [event[i : i + 16384] for i in range(0, len(event), 16384)]
    assert b"".join(splitter.feed(chunk) for chunk in chunks) == event


@pytest.mark.parametrize("stream", STREAMS)
def test_blocks_lose_nothing(stream: bytes) -> None:
    """The raw blocks of whole events are the segment again."""
    segment = EventSplitter().feed(stream)
    assert b"".join(blocks(segment)) == segment


def test_encodes_events() -> None:
    """What is encoded reads back."""
    assert list(events(encode_event(b"{}", "error"))) == [
        Event("error", b"{}", b"event: error\ndata: {}\n\n")
    ]
    assert encode_event(b"{}") == b"data: {}\n\n"
