"""Bodies read by a codec that has read others before: the same facts as from one that has not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import pytest
from anthropic_samples import OPUS
from hypothesis import given, settings
from hypothesis import strategies as st
from matrix_samples import BRIDGES, GLM, GPT

from gateway.errors import GatewayError
from gateway.exchange import ChatRequest, Target
from gateway.features import bound_tokens, session_id, system_head
from gateway.wire import build_codecs
from gateway.wire.base import Codec
from gateway.wire.bodies import Bodies, Form
from policies.envelope import Envelopes, Wanted
from policies.envelope.reader import MEASURED_TURNS
from policies.facts import Dialect, Turn

LONG = "The quick brown fox, 42 times. " * 20
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
SHOWN = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{"}}
FOREIGN = {"type": "thinking", "thinking": "hm", "signature": "a3f0c1"}
SAID: Mapping[Dialect, Sequence[Mapping[str, Any]]] = {
    "chat": [
        {"role": "user", "content": LONG},
        {"role": "assistant", "content": "Déjà vu \ud83d\ude00 " + LONG},
        {"role": "user", "content": [{"type": "text", "text": "look"}, PICTURE]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c", "content": "Error: no such file\n" + LONG},
        {"role": "developer", "content": "be brief"},
        {"role": "nobody", "content": "x"},
    ],
    "messages": [
        {"role": "user", "content": LONG},
        {"role": "assistant", "content": [{"type": "text", "text": "Déjà vu " + LONG}]},
        {"role": "user", "content": [{"type": "text", "text": "look"}, SHOWN]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": LONG}]},
        {"role": "assistant", "content": [FOREIGN, {"type": "text", "text": LONG}]},
        {"role": "system", "content": "be brief"},
    ],
    "responses": [
        {"role": "user", "content": LONG},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "é" + LONG}]},
        {"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,QUJD"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{"},
        {"type": "function_call_output", "call_id": "c", "output": LONG},
        {"type": "reasoning", "summary": []},
        {"type": "item_reference", "id": "x"},
    ],
}
NAMES: Mapping[Dialect, str] = {"chat": "messages", "messages": "messages", "responses": "input"}
TARGETS: Mapping[Dialect, Sequence[Target]] = {
    "chat": (GLM, GPT),
    "messages": (GLM, OPUS),
    "responses": (GPT,),
}
ENVELOPES = {"clients": [], "wording": {"approvals": ["ok"]}}
MORE = ({}, {"stream": True}, {"max_tokens": 10**6}, {"tools": [{"type": "function"}]}, {"stop": "é"})
Break = Callable[[bytes, bytes], bytes]
BREAKS: Sequence[Break] = (
    lambda raw, _: raw,
    lambda raw, _: raw,
    lambda raw, _: raw,
    lambda raw, name: raw[:-1] + b',"%b":[{"role":"user","content":"instead"}]}' % name,
    lambda raw, name: raw[:-1] + b',"%b":[{}]}' % name,
    lambda raw, name: raw[:-1] + b',"%b":[]}' % name,
    lambda raw, _: raw[:-1] + b',"model":"other"}',
    lambda raw, _: raw[:-1] + b',"x":"\xff"}',
    lambda raw, _: raw[:-1],
    lambda raw, _: raw + b"]",
    lambda raw, _: b"}.5,".join(raw.rsplit(b"},", 3)),
    lambda raw, _: b"},,".join(raw.rsplit(b"},", 3)),
    lambda raw, _: b"} \n, ".join(raw.rsplit(b"},", 3)).replace(b"]", b" ]"),
    lambda raw, _: (b"}," + b" " * 70).join(raw.rsplit(b"},", 3)),
    lambda raw, _: raw.replace(b"brown", b"white", 1),
    lambda raw, _: b'}],"x":[{'.join(raw.rsplit(b"}, {", 1)),
    lambda raw, name: b'}],"model":"other","%b":[{'.replace(b"%b", name).join(raw.rsplit(b"}, {", 1)),
)
"""What a client, or someone who means no good, may do to a body on its way."""


class Layout(NamedTuple):
    """How a client writes its bodies."""

    conversation_first: bool = True
    escapes: bool = True
    separators: tuple[str, str] | None = None


PLAIN = Layout()


def encoded(
    dialect: Dialect, said: Sequence[object], more: Mapping[str, object], layout: Layout = PLAIN
) -> bytes:
    """Return a body as a client writes it."""
    told, rest = {NAMES[dialect]: said}, {"model": "auto", **more}
    body = {**told, **rest} if layout.conversation_first else {**rest, **told}
    text = json.dumps(body, ensure_ascii=layout.escapes, separators=layout.separators)
    return text.encode("utf-8", "surrogatepass")


@st.composite
def conversations(draw: st.DrawFn, dialect: Dialect) -> list[bytes]:
    """Make the bodies of a conversation that mostly grows, and is now and then changed or broken."""
    separators = draw(st.sampled_from([None, (",", ":"), (" ,  ", " : ")]))
    layout = Layout(draw(st.sampled_from([True, True, False])), draw(st.booleans()), separators)
    pool = st.integers(0, 19).map(lambda n: SAID[dialect][min(n % 7, len(SAID[dialect]) - 2 + (n == 13))])
    said = [*SAID[dialect][:2], *draw(st.lists(pool, min_size=2, max_size=3))]
    bodies = [encoded(dialect, said, {}, layout)]
    for more in draw(st.lists(st.sampled_from(MORE), min_size=1, max_size=3)):
        said = said[: len(said) - draw(st.integers(0, 2))] + draw(st.lists(pool, max_size=3))
        breaking = draw(st.sampled_from(BREAKS))
        bodies.append(breaking(encoded(dialect, said, more, layout), NAMES[dialect].encode()))
    return bodies


def found(codec: Codec, raw: bytes) -> object:
    """Return everything a codec and its bridges make of a body, or how they refuse it."""
    try:
        request = codec.parse_request(raw)
    except GatewayError as error:
        return type(error), error.message, error.param
    apart = {"messages": (), "system": None, "members": None, "beginning": None}
    return (
        msgspec.structs.replace(request, **apart),
        [bytes(message) for message in request.messages],
        list(codec.turns(request)),
        (bound_tokens(request), session_id(request, {}), system_head(request)),
        [sent(request, target) for target in TARGETS[request.dialect]],
    )


def sent(request: ChatRequest, target: Target) -> object:
    """Return what goes to a vendor, or how that is refused."""
    try:
        return BRIDGES.between(request.dialect, "chat" if request.dialect != "messages" else "messages",
                               target.provider).request(request, target)  # fmt: skip
    except GatewayError as error:
        return type(error), error.message, error.param


@pytest.mark.parametrize("dialect", SAID)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_memory_changes_nothing(dialect: Dialect, data: st.DataObject) -> None:
    """Whatever was read before, a body gives the facts, the refusal and the bytes it gives by itself."""
    remembering = build_codecs()[dialect]
    for raw in data.draw(conversations(dialect)):
        by_itself = found(build_codecs()[dialect], raw)
        assert found(remembering, raw) == by_itself
        assert found(remembering, raw) == by_itself


@pytest.mark.parametrize("dialect", SAID)
def test_reads_what_is_new(dialect: Dialect) -> None:
    """The next step of a conversation finds the old messages as they were read, and reads no turn twice."""
    codec, said = build_codecs()[dialect], [*SAID[dialect][:2]] * 3
    first = codec.parse_request(encoded(dialect, said, {}))
    turns = list(codec.turns(first))
    grown = codec.parse_request(encoded(dialect, [*said, *said[:2]], {"stream": True}))

    assert first.beginning is not None
    assert grown.beginning is not None
    assert (len(first.beginning.messages), len(grown.beginning.messages)) == (4, 6)
    assert all(new is old for new, old in zip(grown.messages, first.beginning.messages, strict=False))
    assert list(codec.turns(grown))[-1] is turns[-1]


@pytest.mark.parametrize("dialect", SAID)
@pytest.mark.parametrize("consent", [None, "ok"])
def test_long_work_is_passed_over(dialect: Dialect, consent: str | None) -> None:
    """Of a long run of tool calls since the ask only the newest are looked at, and the reading is the same."""
    codec, envelopes = build_codecs()[dialect], Envelopes.compile(ENVELOPES)
    work = SAID[dialect][3:5] * 40
    asked = [*SAID[dialect][:2], *([{"role": "user", "content": consent}] if consent else [])]
    for said in ([*asked, *work], [*asked, *work, *work[:2]]):
        request = codec.parse_request(encoded(dialect, said, {}))
        pulled: list[Turn] = []

        def noted(
            wanted: Wanted | None, request: ChatRequest = request, into: list[Turn] = pulled
        ) -> Iterator[Turn]:
            for turn in codec.turns(request, wanted):
                into.append(turn)
                yield turn

        wanted = Wanted()
        readings = [
            envelopes.read(noted(w), message_count=len(said), has_tools=True, wanted=w)
            for w in (wanted, None)
        ]
        assert readings[0] == readings[1]
    assert len(pulled) - len(said) == MEASURED_TURNS + (len(asked) if consent else 1)


def test_new_foreign_thinking_is_seen() -> None:
    """That a conversation was free of another vendor's thinking says nothing of what is added to it."""
    codec, said = build_codecs()["messages"], [*SAID["messages"][:2]] * 3
    think = {"thinking": {"type": "enabled", "budget_tokens": 2_000}, "max_tokens": 9_000}
    for step in (said, said, [*said, SAID["messages"][5], *said[:4]]):
        raw = encoded("messages", step, think)
        assert found(codec, raw) == found(build_codecs()["messages"], raw)
    assert b"a3f0c1" not in BRIDGES.between("messages", "messages", OPUS.provider).request(
        codec.parse_request(raw), OPUS
    )


def decoded(raw: bytes) -> tuple[ChatRequest, Sequence[msgspec.Raw]]:
    """Return a body as a form reads it."""
    view = msgspec.json.decode(raw, type=dict[str, Any])
    request = ChatRequest(dialect="chat", raw=b"", model="m", max_output_tokens=view.get("max_tokens"))
    return request, [msgspec.Raw(msgspec.json.encode(one)) for one in view["messages"]]


FORM = Form(
    name="messages",
    decode=decoded,
    check=lambda _messages, _since: None,
    image_mark=b"image",
    shows=lambda _message: True,
)


@pytest.mark.parametrize(("most", "size"), [(2, 10**6), (9, 10_000)])
def test_memory_is_bounded(most: int, size: int) -> None:
    """The conversation that was not heard of for longest is forgotten first."""
    bodies = Bodies(FORM, most=most, most_bytes=size)

    def read(name: str, *, turns: int = 6) -> Sequence[msgspec.Raw]:
        said = [{"role": "user", "content": f"{name}{LONG}"}] * turns
        return bodies.read(msgspec.json.encode({"messages": said})).messages

    def is_known(name: str) -> bool:
        return read(name)[0] is read(name)[0]

    read("a"), read("b"), read("a")
    a, b = read("a")[0], read("b")[0]
    read("a"), read("c")
    assert read("a")[0] is a
    assert read("b")[0] is not b
    assert is_known("a")


@pytest.mark.parametrize("behind", [b".5", b"5", b"e5", b"{}", b"]", b'"', b",", b" " * 70])
def test_right_behind_what_is_known(behind: bytes) -> None:
    """What stands right behind the known messages is read as strictly as anywhere."""
    codec = build_codecs()["chat"]
    raw = encoded("chat", [*SAID["chat"][:2]] * 3, {})
    known = codec.parse_request(raw).beginning
    assert known is not None
    changed = raw[: known.end] + behind + raw[known.end :]

    assert found(codec, changed) == found(build_codecs()["chat"], changed)


def test_same_frame_stands() -> None:
    """Of a body that only adds messages, what stands before and behind the list is not decoded again."""
    frames: list[bytes] = []

    def decode(raw: bytes) -> tuple[ChatRequest, Sequence[msgspec.Raw]]:
        frames.append(raw)
        return decoded(raw)

    bodies = Bodies(msgspec.structs.replace(FORM, decode=decode))
    for turns, limit in ((6, 1), (8, 1), (8, 1), (11, 1), (13, 2), (15, 2)):
        said = [{"role": "user", "content": f"{n}{LONG}"} for n in range(turns)]
        raw = msgspec.json.encode({"model": "m", "messages": said, "max_tokens": limit})
        request = bodies.read(raw)
        assert [msgspec.json.decode(message) for message in request.messages] == said
        assert request.members is not None
        assert (request.members.get("max_tokens"), request.max_output_tokens) == (b"%d" % limit, limit)
    assert len(frames) == len({1, 2})
