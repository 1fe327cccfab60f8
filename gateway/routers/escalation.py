"""Judging and analysing a task without serving it."""

from __future__ import annotations

import asyncio

import msgspec
from aiohttp import web

from gateway.explain import Explanation, explain
from gateway.http_values import answer
from gateway.intake import read_body
from gateway.judging import Judge
from gateway.keyring import Caller
from gateway.pack_files import load_impact_rules
from gateway.tasks import Analysis, Task, analyze_task, decode_task, judge_task, task_ask
from gateway.wiring import WIRING, Guarded
from policies.verdicts import Decision


class Detected(msgspec.Struct, frozen=True, kw_only=True):
    """What would be decided, in words and in full."""

    explanation: Explanation
    ask: str
    decision: Decision


async def detect(request: web.Request, caller: Caller) -> web.Response:
    """Return triggers, spans and the decision a task would meet; nothing is sent, held or booked."""
    judge = await _judge(request, caller)
    judged = await asyncio.to_thread(judge_task, await _task(request), judge)
    decision = judged.decision
    found = Detected(
        explanation=explain(decision, policy=judge.policy), ask=judged.features.ask.text, decision=decision
    )
    return answer(found)


async def analyze(request: web.Request, caller: Caller) -> web.Response:
    """Return what a task's code measures, and its business impact and risk."""
    task = await _task(request)
    ask = task_ask(task, await _judge(request, caller))
    return answer(await asyncio.to_thread(analyze_task, task, ask, load_impact_rules()))


async def _task(request: web.Request) -> Task:
    return decode_task(await read_body(request), Task)


async def _judge(request: web.Request, caller: Caller) -> Judge:
    wiring, principal = request.app[WIRING], caller.principal
    policy = await wiring.policies.ruling(principal)
    return Judge(policy, now=wiring.clock.now(), principal=principal)


ROUTES = (
    Guarded(
        method="POST",
        path="/v1/escalation/detect",
        handler=detect,
        scope="inference",
        summary="Where a task would go and why: triggers, spans, prices; without any effect.",
        body=Task,
        answer=Detected,
    ),
    Guarded(
        method="POST",
        path="/v1/escalation/analyze",
        handler=analyze,
        scope="inference",
        summary="What a task's code measures, and its business impact and risk.",
        body=Task,
        answer=Analysis,
    ),
)
