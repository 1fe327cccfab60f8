"""What a decision costs on texts never seen before: facts and verdict, from a parsed body.

`python benchmarks/decide.py [rounds]`: every round makes new texts, so nothing is remembered; the kinds
take turns within a round, and each figure is the median of its rounds (default 7). It is the thread's own
processor time: a decision waits for nothing, and what else runs on the machine should count little.
"""

from __future__ import annotations

import json
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version

from gateway import features
from gateway.config_file import default_configuration
from gateway.exchange import ChatRequest
from gateway.keyring import ADMIN
from gateway.pack_files import load_reach
from gateway.policy_layers import load_policies
from gateway.server import settle_memory
from gateway.wire import build_codecs
from policies import decide
from policies.facts import Snapshot

ASK_CHARS = 2_000
COMMON = """the a to of in is and it that we on for with this be are not when from by as if but can should
error file test value data user request response service server client page list query table index token
session cache thread memory config version build deploy review change fix add remove update handle return
check call method class function module package type name path line message state field option default
""".split()
SPECIAL = """schema migration permission certificate latency refactor architecture integration webhook tenant
throughput password rollback deadlock retry queue consumer shard replica signature benchmark pipeline typo
readme changelog dependency upgrade endpoint payload timeout profiler histogram encryption gateway""".split()
SYLLABLES = "ka lo mi ter von stra pel gri du na sho bex ran tu fi ol mar ced ply wo".split()


class Writer:
    """Writes made-up engineering prose: common words, few telling ones, some nobody has seen."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secrets here

    def prose(self, size: int) -> str:
        """Return about `size` characters in lines and sentences."""
        words: list[str] = []
        length = 0
        while length < size:
            words.append(self._word())
            length += len(words[-1]) + 1
        return " ".join(words)[:size]

    def _word(self) -> str:
        kind = self._random.choices(("common", "special", "rare", "path", "call"), (80, 2, 11, 3, 4))[0]
        word = self._random.choice(SPECIAL if kind == "special" else COMMON)
        if kind in {"rare", "path", "call"}:
            rare = "".join(self._random.choices(SYLLABLES, k=3))
            line = self._random.randint(1, 900)
            word = {"rare": rare, "path": f"src/{rare}/{word}.py:{line}", "call": f"{rare}{word.title()}()"}[
                kind
            ]
        return word + self._random.choices(("", ",", ".", ".\n"), (86, 6, 5, 3))[0]


def ask(writer: Writer) -> Mapping[str, object]:
    """Return a bare prompt of about 500 tokens."""
    return {"messages": [{"role": "user", "content": writer.prose(ASK_CHARS)}]}


def long_ask(writer: Writer) -> Mapping[str, object]:
    """Return a bare prompt of 8 KB."""
    return {"messages": [{"role": "user", "content": writer.prose(8_192)}]}


def agent(writer: Writer) -> Mapping[str, object]:
    """Return 128 KB as a coding agent sends them: instructions, tools, an ask and 30 steps towards it."""
    tools = [
        {"type": "function", "function": {"name": f"tool_{n}", "description": writer.prose(1_200)}}
        for n in range(16)
    ]
    messages: list[Mapping[str, object]] = [{"role": "system", "content": writer.prose(24_000)}]
    messages.append({"role": "user", "content": writer.prose(600)})
    for step in range(30):
        function = {"name": "tool_1", "arguments": json.dumps({"path": writer.prose(60)})}
        calls = [{"id": f"call_{step}", "type": "function", "function": function}]
        messages.append({"role": "assistant", "content": writer.prose(200), "tool_calls": calls})
        messages.append({"role": "tool", "tool_call_id": f"call_{step}", "content": writer.prose(2_400)})
    return {"messages": messages, "tools": tools}


def conversation(writer: Writer) -> Mapping[str, object]:
    """Return 400 messages taking turns."""
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[n % 2], "content": writer.prose(300)} for n in range(399)]}


KINDS: Mapping[str, tuple[Callable[[Writer], Mapping[str, object]], int]] = {
    "500-token ask": (ask, 300),
    "8 KB ask": (long_ask, 100),
    "128 KB agent body": (agent, 40),
    "400 messages": (conversation, 40),
}


def main() -> None:
    """Print the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    configuration = default_configuration()
    reach = load_reach(configuration)
    policy = load_policies(configuration, reach.fleet).organisation
    codec, snapshot = build_codecs()["chat"], Snapshot(now=time.time())
    reader = features.Reader(fleet=policy.fleet, envelopes=policy.envelopes, aliases={"*": features.AUTO})

    def spend(request: ChatRequest) -> float:
        start = time.thread_time_ns()
        decide(features.extract(request, {}, ADMIN.principal, codec, reader), snapshot, policy)
        return (time.thread_time_ns() - start) / 1e6

    settle_memory()  # as the process that serves does
    middle: dict[str, list[float]] = {name: [] for name in KINDS}
    slow: dict[str, list[float]] = {name: [] for name in KINDS}
    size: dict[str, int] = {}
    for number in range(rounds + 1):  # the first round warms the interpreter and is not counted
        for name, (make, count) in KINDS.items():
            bodies = [
                json.dumps({"model": "auto", **make(Writer(seed))}).encode()
                for seed in range(number * 10_000, number * 10_000 + count)
            ]
            size[name] = len(bodies[0])
            spent = sorted(spend(codec.parse_request(body)) for body in bodies)
            if number:
                middle[name].append(spent[len(spent) // 2])
                slow[name].append(spent[-1 - len(spent) // 100])
    print(f"CPython {platform.python_version()}, google-re2 {version('google-re2')}, {platform.machine()}")
    print(f"{'kind':20s} {'bytes':>8s} {'p50 ms':>8s} {'p99 ms':>8s}")
    for name in KINDS:
        p50, p99 = statistics.median(middle[name]), statistics.median(slow[name])
        print(f"{name:20s} {size[name]:8d} {p50:8.3f} {p99:8.3f}")


if __name__ == "__main__":
    main()
