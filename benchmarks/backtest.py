"""How long a back-test over recorded decisions takes, and how much memory it holds.

python benchmarks/backtest.py [DECISIONS]
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import msgspec
from msgspec.structs import replace

from gateway.backtest import Question, back_test
from gateway.config_file import default_configuration
from gateway.decision_log import AskDigest, DecisionRecord
from gateway.pack_files import PACKS, load_reach
from gateway.policy_layers import compile_packs, load_policies
from gateway.stores.base import DecisionRow
from gateway.stores.sql_books import SqlBooks
from policies import decide
from policies.facts import Ask, Features, Snapshot
from policies.pack_tests import CasesDoc
from policies.policy import Policy
from policies.yaml_lines import convert, read

NOW = 1_790_000_000.0
BATCH = 1_000


def rows(policy: Policy, count: int) -> list[DecisionRow]:
    """Return decisions on the shipped packs' own test asks, as the decision log writes them."""
    cases = convert(read((PACKS / "default.test.yaml").read_text()), CasesDoc).cases
    asks = [case.ask for case in cases if case.ask]
    records = []
    for ask in asks:
        features = Features(ask=Ask(text=ask), input_tokens=1_000 + len(ask), session="s")
        snapshot = Snapshot(now=NOW, seed=7)
        decision = decide(features, snapshot, policy)
        masked = replace(features, ask=Ask(text=""))
        digest = AskDigest(chars=len(ask), blake2b="", evidence_blocks=0)
        records.append((masked, snapshot, decision, digest))
    return [_row(number, *records[number % len(records)]) for number in range(count)]


def _row(
    number: int, features: Features, snapshot: Snapshot, decision: object, ask: AskDigest
) -> DecisionRow:
    name, team = f"{number:08d}", f"team{number % 7}"
    record = DecisionRecord(
        version=1, id=f"dec_{name}", request_id=f"req_{name}", at=NOW, team=team, key_id="k", ask=ask,
        features=features, snapshot=snapshot, decision=decision,  # type: ignore[arg-type]
    )  # fmt: skip
    return DecisionRow(
        id=record.id,
        request_id=record.request_id,
        at_ms=int(NOW * 1000) + number,
        team_id=team,
        record=msgspec.Raw(msgspec.json.encode(record)),
    )


async def measure(count: int) -> None:
    """Fill fresh books, back-test another policy over them, and print what it took."""
    configuration = default_configuration()
    fleet = load_reach(configuration).fleet
    policy = load_policies(configuration, fleet).organisation
    candidate = compile_packs([PACKS / "default.yaml", PACKS / "strict.yaml"], fleet)
    with tempfile.TemporaryDirectory() as folder:
        books = SqlBooks(f"sqlite:///{Path(folder) / 'books.db'}")
        await books.start()
        source = iter(rows(policy, count))
        while batch := list(islice(source, BATCH)):
            books.append(*batch)
            await books.flush()
        began, busy = time.perf_counter(), time.process_time()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        question = Question(since_ms=0, until_ms=10**14)
        found = await back_test(books, lambda _team, _packs: candidate, question, lambda _: None)
        seconds, busy = time.perf_counter() - began, time.process_time() - busy
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
        print(f"{found.decisions} decisions, {found.changed} would change")
        print(f"{seconds:.1f} s, {busy:.1f} s of them computing, +{grown} KiB at peak")
        await books.close()


if __name__ == "__main__":
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
