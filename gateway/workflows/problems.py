"""Errors as workflows keep them, and which of them time may mend. Pure."""

from __future__ import annotations

from gateway.errors import GatewayError, Internal, RateLimited, ServiceError, UpstreamError, UpstreamRejected
from gateway.stores.workflows_base import Problem

_MOST_CHARS = 2_000


def problem_of(error: GatewayError) -> Problem:
    """Return the caller's part of an error."""
    return Problem(
        code=error.code or error.type, message=error.message[:_MOST_CHARS], status=error.http_status
    )


def may_pass(error: GatewayError) -> bool:
    """Tell whether the same step may succeed later without anybody doing anything."""
    lasting = isinstance(error, UpstreamRejected | Internal)
    return isinstance(error, ServiceError | UpstreamError | RateLimited) and not lasting
