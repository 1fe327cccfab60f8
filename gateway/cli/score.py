"""`gateway score`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from gateway.cli.options import config_option, open_configuration, or_fail
from policies.facts import Tier
from policies.verdicts import Decision

if TYPE_CHECKING:  # the policy is imported when there is something to judge
    from gateway.judging import Judge, Judged

SIGNALS = (
    "security",
    "performance",
    "database",
    "architecture",
    "refactor",
    "integration",
    "multi_file",
    "routine",
    "hard",
)


class Item(msgspec.Struct, frozen=True):
    """One line in: a bare text, or a chat completions body."""

    id: str
    text: str | None = None
    request: msgspec.Raw = msgspec.Raw()
    """Empty where the line has none."""


class Scored(msgspec.Struct, frozen=True):
    """One line out."""

    id: str
    tier: Tier
    score: float
    signals: Mapping[str, float]
    triggers: list[str]
    ask: str
    decide_us: float


@click.command("score")
@config_option
def command(*, config: Path | None) -> None:
    """Judge JSON lines {id, text} or {id, request} from standard input; write one JSON line for each.

    `score` ranks by the expected gain of the premium model; `signals` are the detector's probabilities;
    `decide_us` is the time from the parsed line to the decision, in microseconds.
    """
    configuration = open_configuration(config, need_secrets=False)
    from gateway.judging import Judge
    from gateway.pack_files import load_reach
    from gateway.policy_layers import load_policies

    reach = or_fail(lambda: load_reach(configuration))
    judge = Judge(or_fail(lambda: load_policies(configuration, reach.fleet)).organisation, now=time.time())
    decoder, out = msgspec.json.Decoder(Item), sys.stdout.buffer
    for number, line in enumerate(sys.stdin.buffer, 1):
        if not line.strip():
            continue
        try:
            item = decoder.decode(line)
        except msgspec.DecodeError as error:
            raise click.ClickException(f"line {number}: {error}; give one JSON object a line") from None
        body = bytes(item.request)
        if item.text is None and not body:
            raise click.ClickException(f"line {number}: neither `text` nor `request`; give one")
        started = time.perf_counter_ns()
        judged = or_fail(partial(_judge, judge, item.text, body))
        spent_us = (time.perf_counter_ns() - started) / 1000
        decision = judged.decision
        scored = Scored(
            id=item.id,
            tier=decision.tier,
            score=decision.score,
            signals=_shown(decision),
            triggers=[f.trigger for f in decision.findings],
            ask=judged.features.ask.text,
            decide_us=round(spent_us, 1),
        )
        # ASCII, because an ask may hold line ends of Unicode's own, and many readers split at those too.
        out.write(json.dumps(msgspec.structs.asdict(scored)).encode() + b"\n")
    out.flush()


def _judge(judge: Judge, text: str | None, body: bytes) -> Judged:
    return judge.judge_request(body) if text is None else judge.judge_text(text)


def _shown(decision: Decision) -> dict[str, float]:
    return {name: decision.signals.get(f"detector.{name}", 0.0) for name in SIGNALS}
