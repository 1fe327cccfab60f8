"""Measure what carrying a stream of 204 events costs by pair of dialects: `python -m benchmarks.relays`.

Times are the best of several runs, for a stream that arrives in one read and for one that arrives event by
event; the relay alone, without sockets.
"""

from __future__ import annotations

import json
import timeit
from collections.abc import Iterable

from gateway.wire import Bridges, build_codecs
from policies.facts import Dialect

EVENTS = 200
RUNS, REPEATS = 10, 9
PAIRS: tuple[tuple[Dialect, Dialect, str], ...] = (
    ("chat", "chat", "openai"),
    ("chat", "chat", "zai"),
    ("chat", "messages", "anthropic"),
    ("messages", "messages", "anthropic"),
    ("messages", "chat", "openai"),
    ("responses", "chat", "openai"),
    ("responses", "messages", "anthropic"),
)
ASKED: dict[Dialect, dict[str, object]] = {
    "chat": {"messages": [{"role": "user", "content": "hi"}], "stream_options": {"include_usage": True}},
    "messages": {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
    "responses": {"input": "hi"},
}


def chat_stream() -> list[bytes]:
    """Return the events of a chat vendor's stream."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    deltas: list[tuple[dict[str, str], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": f" word {n}"}, None) for n in range(EVENTS)]
    deltas.append(({}, "stop"))
    chunks: list[dict[str, object]] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        for delta, finish in deltas
    ]
    chunks.append({**head, "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": EVENTS}})
    return [b"data: %b\n\n" % _compact(chunk) for chunk in chunks] + [b"data: [DONE]\n\n"]


def messages_stream() -> list[bytes]:
    """Return the events of Anthropic's stream."""
    usage = {"output_tokens": EVENTS}
    begun = {"id": "msg_1", "model": "m", "usage": {"input_tokens": 9}}
    grown = [{"type": "text_delta", "text": f" word {n}"} for n in range(EVENTS)]
    told: Iterable[dict[str, object]] = (
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in grown),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage},
        {"type": "message_stop"},
    )
    return [b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), _compact(event)) for event in told]


def main() -> None:
    """Print a line for each pair."""
    codecs, bridges = build_codecs(), Bridges(lambda: 1.0)
    streams = {"chat": chat_stream(), "messages": messages_stream()}
    print(f"{'client':<10} {'vendor':<22} at once, µs   event by event, µs")
    for client, vendor, provider in PAIRS:
        bridge = bridges.between(client, vendor, provider)
        request = codecs[client].parse_request(_compact({"model": "auto", "stream": True, **ASKED[client]}))

        def carry(pieces: list[bytes]) -> None:
            relay = bridge.relay(request)  # noqa: B023 - called before the next pair
            for piece in pieces:
                relay.feed(piece)
            relay.close()
            if relay.fault is not None or not relay.finish(None):
                raise SystemExit("the stream was not carried over")

        events = streams[vendor]
        at_once, singly = (_best(carry, pieces) for pieces in ([b"".join(events)], events))
        print(f"{client:<10} {f'{vendor} ({provider})':<22} {at_once:>11.0f} {singly:>20.0f}")


def _best(carry: object, pieces: list[bytes]) -> float:
    timer = timeit.Timer("carry(pieces)", globals={"carry": carry, "pieces": pieces})
    return min(timer.repeat(REPEATS, RUNS)) / RUNS * 1e6


def _compact(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


if __name__ == "__main__":
    main()
