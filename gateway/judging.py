"""Judging prompts without serving them: what `explain`, `score` and pack tests on the command line use."""

from __future__ import annotations

from dataclasses import dataclass

from gateway import features
from gateway.exchange import ChatRequest, Principal
from gateway.keyring import ADMIN
from gateway.wire import build_codecs
from policies import decide
from policies.facts import Features, Snapshot, Turn
from policies.policy import Policy
from policies.verdicts import Decision


@dataclass(frozen=True, slots=True)
class Judged:
    """A decision with the features it was made from."""

    features: Features
    decision: Decision


class Judge:
    """Decides on texts and requests under one policy, at one instant, with nothing spent and all healthy."""

    def __init__(self, policy: Policy, *, now: float, principal: Principal = ADMIN.principal) -> None:
        self._policy = policy
        self._snapshot = Snapshot(now=now)
        self._principal = principal
        self._codec = build_codecs()["chat"]
        self._reader = features.Reader(
            fleet=policy.fleet, envelopes=policy.envelopes, aliases={"*": features.AUTO}
        )

    def judge_text(self, text: str) -> Judged:
        """Return the decision for a bare prompt."""
        turn = Turn(role="user", parts=(text,))
        reading = self._policy.envelopes.read((turn,), message_count=1, has_tools=False)
        facts = Features(
            ask=reading.ask, conversation=reading.conversation, input_tokens=features.bound_text(text)
        )
        return Judged(facts, decide(facts, self._snapshot, self._policy))

    def judge_request(self, raw: bytes) -> Judged:
        """Return the decision for a chat completions body; raise InvalidRequest or ModelNotFound."""
        request: ChatRequest = self._codec.parse_request(raw)
        facts = features.extract(request, {}, self._principal, self._codec, self._reader)
        return Judged(facts, decide(facts, self._snapshot, self._policy))
