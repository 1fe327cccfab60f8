"""The whole error taxonomy.

GatewayError
├─ ClientError                  the caller can mend it
│  ├─ InvalidRequest 400        ├─ ContextTooLong 400  ├─ Unsupported 400
│  ├─ Unauthenticated 401       ├─ Forbidden 403 (PolicyDenied 403, ApprovalRequired 403)
│  ├─ NotFound 404 (ModelNotFound 404)   ├─ MethodNotAllowed 405
│  ├─ Conflict 409 (Interrupted 409)   ├─ PreconditionFailed 412  ├─ PayloadTooLarge 413
│  └─ LimitExceeded 429         (RateLimited 429, DeploymentLimited 429, BudgetExceeded 429)
├─ UpstreamError                the vendor failed and the plan gave up
│  ├─ UpstreamRejected 400      the vendor refused the request itself; its own 4xx
│  ├─ UpstreamRateLimited 429   ├─ UpstreamTimeout 504  ├─ UpstreamUnavailable 503
│  ├─ UpstreamGarbled 502       └─ AllAttemptsFailed 502
├─ ServiceError                 the gateway failed (StoreUnavailable 503, Overloaded 503, Internal 500)
└─ ConfigError                  at start or reload only

`message` is for the caller and never holds a secret or another tenant's data; `detail` is for the
operator's log. Neither ever holds a key or its hash.
"""

from __future__ import annotations

from typing import ClassVar

from gateway.pace import Room


class GatewayError(Exception):
    """Base of everything the gateway raises on purpose."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "internal_server_error"
    """OpenAI's `error.type`."""
    anthropic_type: ClassVar[str] = "api_error"
    """Anthropic's `error.type`."""
    code: ClassVar[str | None] = None
    """OpenAI's default `error.code`."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: float | None = None,
        detail: str = "",
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = _encodable(message)
        self.param = param if param is None else _encodable(param)
        self.retry_after_s = retry_after_s
        self.detail = detail
        self.http_status = self.status if status is None else status


def _encodable(text: str) -> str:
    """Return a text that can be written as UTF-8: a client's header may hold bytes that are none."""
    return text.encode("utf-8", "backslashreplace").decode()


class ClientError(GatewayError):
    """The request cannot be served as it is; sending it again unchanged will not help."""

    status = 400
    type = "invalid_request_error"
    anthropic_type = "invalid_request_error"


class InvalidRequest(ClientError):
    """The body, a header or a parameter is malformed."""


class ContextTooLong(ClientError):
    """No allowed deployment has a context window for this prompt."""

    code = "context_length_exceeded"


class Unsupported(ClientError):
    """No allowed deployment can do what the request asks for (images, tools, n)."""

    code = "unsupported_value"


class Unauthenticated(ClientError):
    """No valid key came with the request; wrong, missing, expired and revoked look the same."""

    status = 401
    type = "authentication_error"
    anthropic_type = "authentication_error"
    code = "invalid_api_key"


class Forbidden(ClientError):
    """The key is valid but lacks the right."""

    status = 403
    type = "permission_error"
    anthropic_type = "permission_error"


class PolicyDenied(Forbidden):
    """The policy refuses this request."""

    code = "policy_denied"


class ApprovalRequired(Forbidden):
    """A person has to agree first; the workflow that waits for it is named."""

    code = "approval_required"


class NotFound(ClientError):
    """No such path or record, or not one the key may see."""

    status = 404
    anthropic_type = "not_found_error"
    code = "not_found"


class ModelNotFound(NotFound):
    """The asked model is not configured or not allowed for the key."""

    code = "model_not_found"


class MethodNotAllowed(ClientError):
    """The path exists but not with this method."""

    status = 405
    code = "method_not_allowed"


class Conflict(ClientError):
    """The record changed or exists already."""

    status = 409
    code = "conflict"


class Interrupted(Conflict):
    """A workflow's paid call died with its process, and the settings forbid making it again."""

    code = "interrupted"


class PreconditionFailed(ClientError):
    """The record is no longer at the version that `If-Match` names."""

    status = 412
    code = "precondition_failed"


class PayloadTooLarge(ClientError):
    """The body, after decompression, exceeds the configured bound."""

    status = 413
    anthropic_type = "request_too_large"
    code = "request_too_large"


class LimitExceeded(ClientError):
    """A pace or money limit of the key or team is used up."""

    status = 429
    type = "rate_limit_error"
    anthropic_type = "rate_limit_error"
    code = "rate_limit_exceeded"


class RateLimited(LimitExceeded):
    """Too many requests, tokens or concurrent calls."""

    def __init__(self, message: str, *, retry_after_s: float, rooms: tuple[Room, ...] = ()) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.rooms = rooms
        """What the limits leave, for the answer's headers."""


class DeploymentLimited(RateLimited):
    """A deployment's own limit is used up; another may still serve."""


class BudgetExceeded(LimitExceeded):
    """A money budget has no room for the worst case of this request."""

    type = "budget_exceeded"
    code = "budget_exceeded"

    def __init__(
        self, message: str, *, retry_after_s: float | None = None, resets_at_s: float | None = None
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.resets_at_s = resets_at_s
        """Unix time at which the budget's next period begins."""


class UpstreamError(GatewayError):
    """Every allowed attempt at a vendor failed."""

    status = 502
    code = "upstream_error"


class UpstreamRejected(UpstreamError):
    """The vendor refused the request itself; carries the vendor's own 4xx."""

    status = 400
    type = "invalid_request_error"
    anthropic_type = "invalid_request_error"
    code = "upstream_rejected"


class UpstreamRateLimited(UpstreamError):
    """The vendor is limiting us and no other deployment was allowed."""

    status = 429
    type = "rate_limit_error"
    anthropic_type = "rate_limit_error"
    code = "upstream_rate_limited"


class UpstreamTimeout(UpstreamError):
    """The vendor did not answer in time."""

    status = 504
    code = "upstream_timeout"


class UpstreamUnavailable(UpstreamError):
    """The vendor cannot be reached or is overloaded."""

    status = 503
    anthropic_type = "overloaded_error"
    code = "upstream_unavailable"


class UpstreamGarbled(UpstreamError):
    """The vendor's answer could not be understood or was cut off."""

    code = "upstream_garbled"


class AllAttemptsFailed(UpstreamError):
    """Several deployments failed in different ways."""

    code = "all_attempts_failed"


class ServiceError(GatewayError):
    """The gateway itself cannot serve now."""

    status = 503


class StoreUnavailable(ServiceError):
    """A store that must be written or read does not answer."""

    code = "store_unavailable"


class PolicyUnavailable(ServiceError):
    """The key's own packs cannot be applied; the request is refused rather than judged without them."""

    code = "policy_unavailable"


class Overloaded(ServiceError):
    """The gateway sheds load or is draining."""

    anthropic_type = "overloaded_error"
    code = "overloaded"


class Internal(ServiceError):
    """A defect in the gateway; the request id finds it in the log."""

    status = 500
    code = "internal_error"


class ConfigError(GatewayError):
    """The configuration or a pack cannot be used; raised at start or reload only."""

    code = "config_error"

    def __init__(self, message: str, *, path: str = "", line: int | None = None) -> None:
        place = f"{path}:{line}" if line is not None else path
        super().__init__(f"{place}: {message}" if place else message)
        self.path = path
        self.line = line
