from __future__ import annotations

import pytest

from gateway.wire.chat_frame import Frame, learn_frame


def came(text: bytes) -> bytes:
    """Make a vendor's chunk."""
    return b'data: {"id":"1","delta":{"role":"assistant","content":"%b"}}\n\n' % text


def sent(text: bytes) -> bytes:
    """Make the same chunk repaired."""
    return b'data: {"id":"1","object":"chunk","delta":{"content":"%b"}}\n\n' % text


def learnt(*, repaired: bool = False) -> Frame:
    """Learn from one chunk."""
    event = came(b"any")
    frame, _ = learn_frame(event, sent(b"any") if repaired else event)
    assert frame is not None
    return frame


def runs(frame: Frame, segment: bytes) -> tuple[bytes, int]:
    """Follow the runs from the start; return what is relayed and how many chunks that is."""
    relayed, chunks, position = b"", 0, 0
    while run := frame.run(segment, position):
        relayed, chunks, position = relayed + run.relayed, chunks + run.chunks, run.end
    assert relayed.count(b"\n\n") == chunks
    return relayed, position


TEXTS = [b"a", b"", b"\\\\", b'\\"q\\"', b"\\u00e9", b"data: {", b"x" * 300] * 60


@pytest.mark.parametrize("repaired", [False, True])
def test_run_is_relayed_whole(repaired: bool) -> None:  # noqa: FBT001 - a table's column
    """All like chunks go through, repaired if the first one was."""
    segment = b"".join(map(came, TEXTS))
    wanted = b"".join(map(sent, TEXTS)) if repaired else segment
    assert runs(learnt(repaired=repaired), segment) == (wanted, len(segment))


@pytest.mark.parametrize(
    "other",
    [
        b"data: [DONE]\n\n",
        b": ping\n\n",
        b'data: {"error":{"message":"x"}}\n\n',
        b'data: {"id":"1","delta":{"role":"assistant","content":"cut\n\n',
        came(b"a").replace(b'"1"', b'"2"'),
        came(b"a").replace(b"}}", b'},"usage":{}}'),
        b"event: error\n" + came(b"a"),
    ],
)
def test_run_stops_at_others(other: bytes) -> None:
    """Whatever is not in the frame ends the run, wherever it stands."""
    before = b"".join(map(came, TEXTS[:50]))
    assert runs(learnt(), before + other + before) == (before, len(before))
    assert learnt().run(other + before, 0) is None


def test_hidden_fields_not_reframed() -> None:
    """A text that is more than one string is read properly instead."""
    odd = came(b'a","tool_calls":[{"index":-1}],"refusal":"')
    assert runs(learnt(repaired=True), came(b"a") + odd) == (sent(b"a"), len(came(b"a")))


@pytest.mark.parametrize(
    "event", [b"data: {}\n\n", b'data: {"content":"a"}\r\n\r\n', b'event: x\ndata: {"content":"a"}\n\n']
)
def test_nothing_to_learn(event: bytes) -> None:
    """Events without a text, or laid out differently, make no frame."""
    assert learn_frame(event, event)[0] is None


def test_first_repair_not_learnt() -> None:
    """A chunk that was given its role is no model for the next ones."""
    with_role = sent(b"a").replace(b'"content"', b'"role":"assistant","content"')
    assert learn_frame(came(b"a"), with_role) == (None, 1)


def test_spaces_after_colons() -> None:
    """A vendor that writes a space after the colon is counted and relayed alike."""
    event = b'data: {"id": "1", "delta": {"content": "abc"}}\n\n'
    frame, size = learn_frame(event, event)
    assert size == 3
    assert frame is not None
    assert runs(frame, event * 20) == (event * 20, len(event) * 20)
