"""The one place where errors become answers, in the shape of the dialect the path speaks."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.errors import (
    ClientError,
    GatewayError,
    Internal,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
)
from gateway.scope import SCOPE
from gateway.telemetry import Telemetry
from gateway.wire.base import Codec
from policies.facts import Dialect

_CLIENT_ERRORS: Mapping[int, tuple[type[ClientError], str]] = {
    404: (NotFound, "unknown path; see /openapi.json for what there is"),
    405: (MethodNotAllowed, "this path exists but not with this method; see /openapi.json"),
    413: (PayloadTooLarge, "the request body is larger than this gateway accepts"),
}
_MESSAGES_PREFIX = "/v1/messages"


def error_envelope(codecs: Mapping[Dialect, Codec], telemetry: Telemetry) -> Middleware:
    """Return the middleware that answers every error."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except GatewayError as error:
            return error_answer(request, error, codecs, telemetry)
        except web.HTTPException as error:
            return error_answer(request, _from_http(error), codecs, telemetry)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:  # noqa: BLE001 - the last resort: a defect of ours still gets an answer
            request_id = request[SCOPE].request_id
            structlog.get_logger("gateway").exception("internal_error", request_id=request_id)
            defect = Internal(f"internal error; the operator finds it in the log by {request_id}")
            return error_answer(request, defect, codecs, telemetry)

    return middleware


def error_answer(
    request: web.BaseRequest, error: GatewayError, codecs: Mapping[Dialect, Codec], telemetry: Telemetry
) -> web.Response:
    """Return the error as an HTTP answer in the caller's dialect."""
    telemetry.refused(error.code or error.type)
    scope = request.get(SCOPE)
    request_id = scope.request_id if scope else ""
    dialect: Dialect = "messages" if request.path.startswith(_MESSAGES_PREFIX) else "chat"
    headers = {"x-request-id": request_id}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
    return web.Response(
        status=error.http_status,
        body=codecs[dialect].error_body(error, request_id),
        headers=headers,
        content_type="application/json",
    )


def _from_http(error: web.HTTPException) -> GatewayError:
    known = _CLIENT_ERRORS.get(error.status)
    if known is not None:
        return known[0](known[1])
    return InvalidRequest(f"{error.reason.lower()}; see /openapi.json", status=error.status)
