"""What reading a body costs: parsing, facts, and the body sent on; when first seen, and as a next step.

`python -m benchmarks.reading [rounds]`: agents' conversations and long ones grow message by message, as
clients send them. The first body of each was never seen; each later one adds two messages to the one before.
Medians of the thread's own processor time, in microseconds.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from benchmarks.decide import Writer, agent, conversation
from gateway import features
from gateway.config_file import default_configuration
from gateway.exchange import Target
from gateway.keyring import ADMIN
from gateway.pack_files import load_reach
from gateway.policy_layers import load_policies
from gateway.wire import Bridges, build_codecs

STEPS = 8
TARGET = Target(deployment="d", provider="openai", model="gpt", dialect="chat", max_output_tokens=8_192)


def short_agent(writer: Writer) -> Mapping[str, object]:
    """Return an agent's first steps: 8 KB."""
    messages: list[Mapping[str, str]] = [{"role": "system", "content": writer.prose(1_000)}]
    messages += [{"role": role, "content": writer.prose(350)} for role in ["user", "assistant"] * 10]
    return {"messages": messages}


KINDS: Mapping[str, Callable[[Writer], Mapping[str, object]]] = {
    "8 KB": short_agent,
    "128 KB agent body": agent,
    "400 messages": conversation,
}


def grow(body: Mapping[str, object]) -> Sequence[bytes]:
    """Return the bodies of the last steps that lead to this one."""
    said = cast("list[object]", body["messages"])
    ends = range(len(said) - 2 * STEPS, len(said) + 1, 2)
    return [json.dumps({"model": "auto", **body, "messages": said[:end]}).encode() for end in ends]


def main() -> None:
    """Print the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    configuration = default_configuration()
    reach = load_reach(configuration)
    policy = load_policies(configuration, reach.fleet).organisation
    codec, bridge = build_codecs()["chat"], Bridges(time.time).between("chat", "chat", TARGET.provider)
    reader = features.Reader(fleet=policy.fleet, envelopes=policy.envelopes, aliases={"*": features.AUTO})

    def spend(raw: bytes) -> float:
        start = time.thread_time_ns()
        request = codec.parse_request(raw)
        features.extract(request, {}, ADMIN.principal, codec, reader)
        bridge.request(request, TARGET)
        return (time.thread_time_ns() - start) / 1e3

    print(f"{'kind':20s} {'bytes':>8s} {'first':>8s} {'next':>8s}")
    for name, make in KINDS.items():
        bodies = [grow(make(Writer(seed))) for seed in range(rounds)]
        spent = [[spend(raw) for raw in steps] for steps in bodies]
        first = statistics.median(steps[0] for steps in spent)
        later = statistics.median(us for steps in spent for us in steps[1:])
        print(f"{name:20s} {len(bodies[0][-1]):8d} {first:8.0f} {later:8.0f}")


if __name__ == "__main__":
    main()
