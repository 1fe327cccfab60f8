"""Pack tests: asks and the verdict expected of them, as data beside the pack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from policies.engine import decide
from policies.facts import Declared, Features, Rights, Role, Snapshot, Tier, Turn
from policies.policy import Policy
from policies.sensitive_data import scan_texts
from policies.trigger_validation import Verdict, validate
from policies.verdicts import Decision
from policies.yaml_lines import DocumentError, convert, nearest, read

_TEST_INSTANT = 1_790_000_000.0
"""A fixed instant late enough that every listed price is in force."""


class TurnDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One turn of a conversation, oldest first."""

    role: Role
    text: str


class DeclaredDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the caller declares of the work."""

    service: str | None = None
    environment: str | None = None
    data_class: str | None = None
    impact: str | None = None
    revenue_impact: str | None = None
    customer_impact: str | None = None
    trusted: bool = True


class CaseDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An ask (or a whole conversation) and what must come of it."""

    tier: Tier | None = None
    denied: str | None = None
    """Instead of a tier: the request must be refused, for a reason that holds these words."""
    ask: str | None = None
    turns: list[TurnDoc] | None = None
    triggers: list[str] | None = None
    """Triggers that must fire; others may."""
    not_triggers: list[str] = []
    """Triggers that must not fire."""
    assessments: dict[str, Verdict] = {}
    """By trigger: what validating its finding must come to."""
    declared: DeclaredDoc = DeclaredDoc()
    team: str = ""
    name: str = ""


class CasesDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A test file."""

    cases: list[CaseDoc]


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A case that did not come out as written."""

    name: str
    line: int | None
    message: str


def run_cases(text: str, policy: Policy) -> tuple[int, tuple[Failure, ...]]:
    """Return how many cases the file holds and those that failed; raise DocumentError for a bad file."""
    document = read(text)
    cases = convert(document, CasesDoc).cases
    lines = [document.line(f"$.cases[{index}]") for index in range(len(cases))]
    for case, line in zip(cases, lines, strict=True):
        _check(case, line, policy)
    failures = tuple(
        Failure(name=_name(case), line=line, message=message)
        for case, line in zip(cases, lines, strict=True)
        for message in _complaints(case, policy)
    )
    return len(cases), failures


def decide_case(case: CaseDoc, policy: Policy) -> Decision:
    """Return the decision for a case."""
    return decide(*_facts(case, policy), policy)


def _facts(case: CaseDoc, policy: Policy) -> tuple[Features, Snapshot]:
    turns = [Turn(role="user", parts=(case.ask,))] if case.ask is not None else []
    turns += [Turn(role=turn.role, parts=(turn.text,)) for turn in case.turns or ()]
    reading = policy.envelopes.read(reversed(turns), message_count=len(turns), has_tools=False)
    features = Features(
        ask=reading.ask,
        conversation=reading.conversation,
        input_tokens=1_000,
        declared=Declared(**msgspec.structs.asdict(case.declared)),
        data=scan_texts(_texts(turns)) if "data" in policy.reads else None,
    )
    return features, Snapshot(now=_TEST_INSTANT, rights=Rights(team=case.team))


def _texts(turns: Iterable[Turn]) -> Iterator[tuple[str, str]]:
    for index, turn in enumerate(turns):
        yield f"messages[{index}]", "\n".join(turn.parts)


def _check(case: CaseDoc, line: int | None, policy: Policy) -> None:
    """Refuse a case that would pass or fail for the wrong reason."""
    if (case.ask is None) == (not case.turns):
        raise DocumentError(f"case `{_name(case)}` needs either `ask` or `turns`; give one", line)
    if (case.tier is None) == (case.denied is None):
        raise DocumentError(f"case `{_name(case)}` needs either `tier` or `denied`; give one", line)
    known = {trigger.id for trigger in policy.triggers}
    for name in (*(case.triggers or ()), *case.not_triggers, *case.assessments):
        if name not in known:
            raise DocumentError(f"no trigger is called `{name}`{nearest(name, known)}", line)


def _complaints(case: CaseDoc, policy: Policy) -> Iterator[str]:
    decision = decide_case(case, policy)
    fired = {finding.trigger for finding in decision.findings}
    if case.denied is not None:
        said = decision.denial.reason if decision.denial else f"tier {decision.tier}"
        if decision.denial is None or case.denied not in said:
            yield f"expected a refusal that says `{case.denied}`, got {said}"
    elif decision.denial is not None:
        yield f"expected tier {case.tier}, refused: {decision.denial.reason}"
    elif decision.tier != case.tier:
        yield f"expected tier {case.tier}, got {decision.tier} ({decision.reason})"
    for trigger in case.triggers or ():
        if trigger not in fired:
            yield f"expected trigger {trigger} to fire; fired: {', '.join(sorted(fired)) or 'none'}"
    for trigger in case.not_triggers:
        if trigger in fired:
            yield f"trigger {trigger} fired and should not have"
    yield from _misjudged(case, policy, decision)


def _misjudged(case: CaseDoc, policy: Policy, decision: Decision) -> Iterator[str]:
    """Yield a line for every finding that is not validated as the case expects."""
    if not case.assessments:
        return
    found = {a.trigger: a for a in validate(decision, *_facts(case, policy), policy)}
    for trigger, verdict in case.assessments.items():
        got = found.get(trigger)
        if got is None:
            yield f"expected {trigger} to be {verdict}; it did not fire"
        elif got.verdict != verdict:
            yield f"expected {trigger} to be {verdict}, got {got.verdict} ({got.because})"


def _name(case: CaseDoc) -> str:
    return case.name or (case.ask or "conversation")[:60]
