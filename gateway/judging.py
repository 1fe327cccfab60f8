"""Judging prompts without serving them: what `explain`, `score` and pack tests on the command line use."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gateway import features
from gateway.exchange import ChatRequest, Principal
from gateway.inspection import asks_for, inspect
from gateway.keyring import ADMIN
from gateway.pack_files import load_impact_rules
from gateway.wire import build_codecs
from policies import decide
from policies.facts import Declared, Features, Rights, Snapshot, Turn
from policies.policy import Policy
from policies.verdicts import Decision

NOTHING_DECLARED: Mapping[str, str] = {}


class Judged(msgspec.Struct, frozen=True):
    """A decision with the features it was made from."""

    features: Features
    decision: Decision


class Judge:
    """Decides on texts and requests under one policy, at one instant, with nothing spent and all healthy."""

    def __init__(self, policy: Policy, *, now: float, principal: Principal = ADMIN.principal) -> None:
        self.policy = self._policy = policy
        rights = Rights(team=principal.team_name, allowed_models=principal.allowed_models)
        self._snapshot = Snapshot(now=now, rights=rights)
        self._principal = principal
        self._codec = build_codecs()["chat"]
        self._reader = features.Reader(
            fleet=policy.fleet, envelopes=policy.envelopes, aliases={"*": features.AUTO}
        )

    def judge_text(self, text: str, declared: Declared = Declared()) -> Judged:
        """Return the decision for a bare prompt."""
        turn = Turn(role="user", parts=(text,))
        reading = self._policy.envelopes.read((turn,), message_count=1, has_tools=False)
        facts = Features(
            ask=reading.ask,
            conversation=reading.conversation,
            input_tokens=features.bound_text(text),
            declared=declared,
        )
        return self._judged(facts, text.encode("utf-8", "surrogatepass"))

    def judge_request(self, raw: bytes, declared: Mapping[str, str] = NOTHING_DECLARED) -> Judged:
        """Return the decision for a chat completions body; raise InvalidRequest or ModelNotFound.

        What is declared beside the body wins over what the body itself declares.
        """
        request: ChatRequest = self._codec.parse_request(raw)
        headers = {features.METADATA_HEADER: msgspec.json.encode(declared).decode()} if declared else {}
        facts = features.extract(request, headers, self._principal, self._codec, self._reader)
        return self._judged(facts, raw)

    def _judged(self, facts: Features, body: bytes) -> Judged:
        if asks_for(self._policy, facts):
            facts = inspect(facts, body, self._policy, load_impact_rules)
        return Judged(facts, decide(facts, self._snapshot, self._policy))
