"""Findings validated in five dimensions, and candidate policies tried on recorded decisions."""

from __future__ import annotations

import msgspec
from aiohttp import web

from gateway.backtest import MOST_DECISIONS, Candidate, Question, Span
from gateway.errors import Forbidden, InvalidRequest
from gateway.exchange import Principal
from gateway.explain import Explanation, explain
from gateway.features import METADATA_HEADER
from gateway.http_values import answer
from gateway.intake import read_body
from gateway.keyring import Caller
from gateway.pack_files import built_in_packs
from gateway.replay import BackTest
from gateway.reports import parse_span
from gateway.scope import SCOPE
from gateway.tasks import Task, decode_task, task_body
from gateway.wiring import WIRING, Guarded, Wiring
from policies.trigger_validation import Assessment, validate
from policies.verdicts import Decision


class Validation(Task, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task whose findings are to be validated; or a policy to try on what was decided in a window."""

    policy: Candidate | None = None
    window: Span | None = None


class Validated(msgspec.Struct, frozen=True, kw_only=True):
    """Every finding assessed, or what the candidate policy would have changed; the other is null."""

    explanation: Explanation | None = None
    decision: Decision | None = None
    assessments: tuple[Assessment, ...] | None = None
    back_test: BackTest | None = None


async def validate_task(request: web.Request, caller: Caller) -> web.Response:
    """Return a task's findings validated, or a policy's back-test."""
    asked = decode_task(await read_body(request), Validation)
    if asked.policy is None:
        return answer(await _assessed(asked, request, caller))
    if asked.request is not None or asked.description:
        raise InvalidRequest("`policy` is tried on recorded decisions; leave the task out", param="policy")
    if "reports" not in caller.principal.scopes:
        raise Forbidden("this key lacks the scope `reports`, which recorded decisions need")
    tried = await _tried(asked.policy, asked.window or Span(), caller, request.app[WIRING])
    return answer(Validated(back_test=tried))


async def _assessed(task: Task, request: web.Request, caller: Caller) -> Validated:
    """Return the findings as they would be validated now: with the budgets, health and prices there are."""
    wiring = request.app[WIRING]
    codec = wiring.codecs["chat"]
    headers = {METADATA_HEADER: msgspec.json.encode(task.metadata).decode()} if task.metadata else {}
    chat = codec.parse_request(task_body(task))
    exchange = await wiring.pipeline.weigh(chat, headers, caller, codec, request[SCOPE])
    decision = exchange.decision
    history = await wiring.track_records.history(_team(caller.principal))
    found = validate(decision, exchange.features, exchange.snapshot, exchange.policy, history=history)
    return Validated(explanation=explain(decision), decision=decision, assessments=found)


async def _tried(candidate: Candidate, span: Span, caller: Caller, wiring: Wiring) -> BackTest:
    principal = caller.principal
    zone = span.time_zone or principal.time_zone
    since_ms, until_ms = parse_span(span.since, span.until, zone, now=wiring.clock.now())
    packs = _packs(candidate, principal, wiring)
    question = Question(
        since_ms=since_ms,
        until_ms=until_ms,
        team_id=_team(principal),
        most_decisions=MOST_DECISIONS,
    )
    await wiring.books.flush()
    return await wiring.back_tests.run(packs, candidate.text, question)


def _packs(candidate: Candidate, principal: Principal, wiring: Wiring) -> list[str]:
    """Return the packs to lay over one another; only shipped and configured ones may be named."""
    settings = wiring.configuration.settings
    own = next((team.packs for team in settings.teams if team.name == principal.team_name), [])
    ruling = [*settings.policy.packs, *own, *principal.packs]
    if candidate.packs is None:
        return ruling
    known = {*ruling, *built_in_packs()}
    for name in candidate.packs:
        if name not in known:
            message = f"there is no pack `{name}`; name one of {', '.join(sorted(known))}"
            raise InvalidRequest(message[:600], param="policy.packs")
    return candidate.packs


def _team(principal: Principal) -> str | None:
    return principal.seen_team


ROUTES = (
    Guarded(
        method="POST",
        path="/v1/escalation/validate",
        handler=validate_task,
        scope="inference",
        summary="A task's findings validated in five dimensions; or a policy tried on recorded decisions.",
        body=Validation,
        answer=Validated,
    ),
)
