"""What became of decisions: feedback."""

from __future__ import annotations

from aiohttp import web

from gateway.http_values import answer, read_json
from gateway.keyring import Caller
from gateway.outcomes import Feedback, Noted, take_feedback
from gateway.wiring import WIRING, Guarded


async def feedback(request: web.Request, caller: Caller) -> web.Response:
    """Take down what the caller says of an answer; saying it again changes nothing."""
    wiring, principal = request.app[WIRING], caller.principal
    said = await read_json(request, Feedback)
    policy = wiring.policies.for_team(principal.team_name)
    now_ms = int(wiring.clock.now() * 1000)
    return answer(await take_feedback(said, principal, policy, wiring, now_ms=now_ms))


ROUTES = (
    Guarded(
        method="POST",
        path="/v1/escalation/feedback",
        handler=feedback,
        scope="inference",
        summary="Say of an answer that it was accepted, from the wrong tier, or failed; idempotent.",
        body=Feedback,
        answer=Noted,
    ),
)
