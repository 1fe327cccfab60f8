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
from gateway.scope import DECIDED, SCOPE
from gateway.telemetry import Telemetry
from gateway.wire.base import Codec
from policies.facts import Dialect

_CLIENT_ERRORS: Mapping[int, tuple[type[ClientError], str]] = {
    404: (NotFound, "unknown path; see /openapi.json for what there is"),
    405: (MethodNotAllowed, "this path exists but not with this method; see /openapi.json"),
    413: (PayloadTooLarge, "the request body is larger than this gateway accepts"),
}
_MESSAGES_PREFIX = "/v1/messages"
_KEPT_HEADERS = ("allow",)
_NOTHING: Mapping[str, str] = {}


def error_envelope(codecs: Mapping[Dialect, Codec], telemetry: Telemetry) -> Middleware:
    """Return the middleware that answers every error."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:
            known = _known(error)
            if known is None:
                request_id = request[SCOPE].request_id
                structlog.get_logger("gateway").exception("internal_error", request_id=request_id)
                known = Internal(f"internal error; the operator finds it in the log by {request_id}")
            telemetry.refused(request[SCOPE].request_id, known)
            if request.writer.output_size:
                raise  # an answer has begun; to cut it is all that is left
            return error_answer(request, known, codecs, _kept(error))

    return middleware


def error_answer(
    request: web.BaseRequest, error: GatewayError, codecs: Mapping[Dialect, Codec], kept: Mapping[str, str]
) -> web.Response:
    """Return the error as an HTTP answer in the caller's dialect."""
    request_id = request[SCOPE].request_id
    dialect: Dialect = "messages" if request.path.startswith(_MESSAGES_PREFIX) else "chat"
    headers = {**request.get(DECIDED, _NOTHING), **kept, "x-request-id": request_id}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
    response = web.Response(
        status=error.http_status,
        body=codecs[dialect].error_body(error, request_id),
        headers=headers,
        content_type="application/json",
    )
    if not request.content.is_eof():
        response.force_close()  # the rest of the body still stands between us and another request
    return response


def _known(error: Exception) -> GatewayError | None:
    """Return what the error means to the caller, None for a defect of ours."""
    if isinstance(error, GatewayError):
        return error
    if isinstance(error, web.RequestPayloadError):
        return InvalidRequest("the request body does not follow its transfer-encoding")
    if not isinstance(error, web.HTTPException):
        return None
    known = _CLIENT_ERRORS.get(error.status)
    if known is not None:
        return known[0](known[1])
    return InvalidRequest(f"{error.reason.lower()}; see /openapi.json", status=error.status)


def _kept(error: Exception) -> Mapping[str, str]:
    """Return the headers without which an HTTP error is incomplete."""
    if not isinstance(error, web.HTTPException):
        return _NOTHING
    return {name: error.headers[name] for name in _KEPT_HEADERS if name in error.headers}
