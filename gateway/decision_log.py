"""The decision record: every input and the verdict, masked by default, enough to recompute it."""

from __future__ import annotations

import hashlib

import msgspec
from msgspec.structs import replace

from gateway.exchange import Exchange
from gateway.stores.base import DecisionRow
from policies.escalation_triggers.recall import remembering
from policies.facts import Ask, Features, Snapshot
from policies.verdicts import Decision

RECORD_VERSION = 1
_encode = msgspec.json.Encoder().encode


class AskDigest(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of the ask's text when the text itself is not."""

    chars: int
    blake2b: str
    """First 16 hex digits: tells equal asks from different ones, nothing else."""
    evidence_blocks: int


class DecisionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One decision as it is written down; readable for ever by its version."""

    version: int
    id: str
    request_id: str
    at: float
    team: str
    key_id: str
    ask: AskDigest
    features: Features
    """With the ask's text and evidence removed, unless the gateway is told to keep prompts."""
    snapshot: Snapshot
    decision: Decision
    fell_below_floor: bool = False
    """Premium failed and the pack lets a floor fall: base served what a trigger held at premium."""
    output_limit: int | None = None
    """Tokens the answer could have at most, where a hard budget had no room for the model's longest one."""
    failed_check: str = ""
    """The answer check that a base answer failed, for which premium was to redo it."""


def record(
    exchange: Exchange,
    *,
    store_prompts: bool,
    fell_below_floor: bool = False,
    output_limit: int | None = None,
    failed_check: str = "",
) -> DecisionRow:
    """Return the row to append for this exchange's decision."""
    features, principal, decision_id = exchange.features, exchange.principal, exchange.decision_id
    ask = features.ask
    entry = DecisionRecord(
        version=RECORD_VERSION,
        id=decision_id,
        request_id=exchange.id,
        at=exchange.started_s,
        team=principal.team_name,
        key_id=principal.key_id,
        ask=AskDigest(chars=len(ask.text), blake2b=_hash(ask.text), evidence_blocks=len(ask.evidence)),
        features=features if store_prompts else replace(features, ask=_masked(ask)),
        snapshot=exchange.snapshot,
        decision=exchange.decision,
        fell_below_floor=fell_below_floor,
        output_limit=output_limit,
        failed_check=failed_check,
    )
    return DecisionRow(
        id=decision_id,
        request_id=exchange.id,
        at_ms=int(exchange.started_s * 1000),
        team_id=principal.team_id,
        record=msgspec.Raw(_encode(entry)),
    )


def read_record(row: DecisionRow) -> DecisionRecord:
    """Return the record inside a row; raise msgspec.ValidationError for one this version cannot read."""
    return msgspec.json.decode(row.record, type=DecisionRecord)


def _masked(ask: Ask) -> Ask:
    return replace(ask, text="", evidence=())


@remembering
def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
