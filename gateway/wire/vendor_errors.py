"""What a vendor's failure means: status, headers and body to one kind of fault, by table.

Sources: https://platform.openai.com/docs/guides/error-codes, https://docs.claude.com/en/api/errors,
https://docs.z.ai/api-reference/api-code
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from gateway.exchange import Fault
from gateway.wire.retry_after import limit_reset_s, retry_after_s
from policies.facts import Dialect
from policies.verdicts import OutcomeKind

MAX_MESSAGE_CHARS = 500

_ZAI_CODES: Mapping[str, OutcomeKind] = {
    **dict.fromkeys(("1000", "1001", "1002", "1003", "1004", "1110", "1111", "1112", "1121"), "auth_failed"),
    **dict.fromkeys(("1113", "1309"), "account_empty"),
    **dict.fromkeys(("1220", "1311", "1313"), "auth_failed"),  # this account may not, another vendor may
    **dict.fromkeys(("1210", "1211", "1212", "1213", "1214", "1215"), "bad_request"),
    "1261": "context_overflow",
    **dict.fromkeys(("1300", "1301"), "refused"),  # by policy, and by what was said
    **dict.fromkeys(("1302", "1303", "1304", "1305", "1308", "1310"), "rate_limited"),
    "1231": "rate_limited",  # the same `request_id` is still at work there, perhaps for our own first try
    "1312": "overloaded",
    **dict.fromkeys(("500", "1120", "1200", "1221", "1222", "1230", "1234"), "server_error"),
}
_PROVIDER_CODES: Mapping[str, Mapping[str, OutcomeKind]] = {"zai": _ZAI_CODES}
_CODES: Mapping[str, OutcomeKind] = {
    "context_length_exceeded": "context_overflow",
    "model_context_window_exceeded": "context_overflow",
    "string_above_max_length": "context_overflow",
    "insufficient_quota": "account_empty",
    "billing_error": "account_empty",
    "billing_hard_limit_reached": "account_empty",
    "enforced_spend_limit_reached": "account_empty",
    "content_filter": "refused",
    "content_policy_violation": "refused",
    "responsibleaipolicyviolation": "refused",
    "sensitive": "refused",
    "invalid_api_key": "auth_failed",
    "authentication_error": "auth_failed",
    "permission_error": "auth_failed",
    "rate_limit_exceeded": "rate_limited",
    "rate_limit_error": "rate_limited",
    "overloaded_error": "overloaded",
    "engine_overloaded": "overloaded",
    "service_unavailable": "overloaded",
    "timeout_error": "timeout",
    "request_timeout": "timeout",
    "network_error": "server_error",
    "api_error": "server_error",
    "server_error": "server_error",
    "internal_server_error": "server_error",
    "invalid_request_error": "bad_request",
    "not_found_error": "bad_request",
    "model_not_found": "bad_request",
    "request_too_large": "bad_request",
}
_OVERFLOW_WORDS = re.compile(
    r"prompt is too long|input is too long|exceeds? max length|maximum (?:context|prompt|model) length"
    r"|exceeds? (?:the )?(?:model's )?(?:maximum )?context|context (?:length|window) (?:is )?exceeded"
    r"|exceed context limit",
    re.IGNORECASE,
)
_EMPTY_WORDS = re.compile(
    r"credit balance is too low|insufficient (?:balance|credits|quota|funds)|in arrears|spend limit"
    r"|exceeded your current quota",
    re.IGNORECASE,
)
_BUSY_WORDS = re.compile(r"(?:temporarily|currently) overloaded|high traffic|访问量过大", re.IGNORECASE)
"""Z.ai's page calls 1305 a rate limit, but it also sends it when the model is busy for everyone."""
_BUSY_STATUSES = frozenset({None, 429, 503, 529})
_STATUSES: Mapping[int, OutcomeKind] = {
    401: "auth_failed",
    402: "account_empty",
    403: "auth_failed",
    408: "timeout",
    429: "rate_limited",
    434: "auth_failed",
    503: "overloaded",
    504: "timeout",
    524: "timeout",
    529: "overloaded",
}
_HTTP_ERROR = re.compile(r"[45]\d\d")
_SECRET = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai)[-_][\w\-*.]{4,}"  # vendors' key prefixes, also half masked
    r"|\bBearer\s+\S+"
    r"|\b[0-9a-f]{32}\.\w{8,}"  # Z.ai
    r"|\beyJ[\w-]{8,}\.[\w.-]+"  # JSON web tokens
    r"|\b[a-z0-9_-]{40,}",
    re.IGNORECASE,
)
_HTML = re.compile(r"\s*<(?:!doctype|html|head|body|center|h1)\b", re.IGNORECASE)
_TITLE = re.compile(r"<(?:title|h1)[^>]*>([^<]*)<", re.IGNORECASE)


class _VendorError(NamedTuple):
    message: str
    codes: tuple[str, ...]
    """Whatever could name the error, most specific first, in lower case."""


def read_fault(
    dialect: Dialect,
    provider: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float,
) -> Fault:
    """Return what a non-200 answer means; total, whatever the body holds.

    `headers` have lower-case names; `now` is Unix time in seconds, for dates in headers. The message is
    the vendor's, freed of anything that looks like a key and cut to 500 characters.
    """
    error = _read_body(body)
    kind = _kind(provider, status, error)
    words = error.message if error else _describe(status, body)
    wait_s = retry_after_s(headers, now)
    if wait_s is None and kind == "rate_limited":
        wait_s = limit_reset_s(dialect, headers, now)
    return Fault(kind=kind, message=_clean(words), status=status, retry_after_s=wait_s)


def read_embedded_fault(provider: str, body: bytes) -> Fault | None:
    """Return the fault that a 200 body or a stream event reports in its `error`; None where it has none."""
    error = _read_body(body)
    if error is None:
        return None
    return Fault(kind=_kind(provider, None, error), message=_clean(error.message))


def garbled(message: str, body: bytes = b"") -> Fault:
    """Return the fault of an answer that cannot be understood, with its first words."""
    text = _describe(200, body) if body else ""
    return Fault(kind="garbled", message=_clean(f"{message}: {text}" if text else message))


def _kind(provider: str, status: int | None, error: _VendorError | None) -> OutcomeKind:
    if error is None:
        return _kind_by_status(status, ())
    # A 429 that speaks of too many tokens is a pace limit; a 5xx that does is the vendor's own trouble.
    if status in (None, 400, 413, 422) and _OVERFLOW_WORDS.search(error.message):
        return "context_overflow"
    if _EMPTY_WORDS.search(error.message):
        return "account_empty"
    if status in _BUSY_STATUSES and _BUSY_WORDS.search(error.message):
        return "overloaded"
    provider_codes = _PROVIDER_CODES.get(provider, {})
    for code in error.codes:
        if code in provider_codes:
            return provider_codes[code]
        if code in _CODES and not _too_vague(code, status):
            return _CODES[code]
    return _kind_by_status(status, error.codes)


def _too_vague(code: str, status: int | None) -> bool:
    """Tell whether the status says more than the code, as 404 does for `invalid_request_error`."""
    return status is not None and _CODES[code] in ("bad_request", "server_error")


def _kind_by_status(status: int | None, codes: tuple[str, ...]) -> OutcomeKind:
    if status is None:
        status = next((int(code) for code in codes if _HTTP_ERROR.fullmatch(code)), 500)
    if status in _STATUSES:
        return _STATUSES[status]
    classes: tuple[OutcomeKind, ...] = ("bad_request", "server_error")
    return classes[status // 100 - 4] if 400 <= status < 600 else "garbled"  # noqa: PLR2004 - HTTP's bounds


def _read_body(body: bytes) -> _VendorError | None:
    """Find the error object in any of the shapes vendors use; None where there is none."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    error = document.get("error") or document
    if isinstance(error, str):
        return _VendorError(error, _codes(document))
    if not isinstance(error, dict):
        return None
    message = next((error[key] for key in ("message", "msg", "detail") if error.get(key)), None)
    if message is None and error is document:
        return None
    details = error.get("details")
    codes = (_codes(details) if isinstance(details, dict) else ()) + _codes(error)
    text = message if isinstance(message, str) else msgspec.json.encode(message or error).decode()
    return _VendorError(text, codes)


def _codes(error: Mapping[str, object]) -> tuple[str, ...]:
    values = (error.get(key) for key in ("code", "error_code", "type"))
    return tuple(str(value).lower() for value in values if isinstance(value, str | int))


def _describe(status: int, body: bytes) -> str:
    text = body[:4096].decode(errors="replace")
    if not text.strip():
        return f"HTTP {status} with an empty body"
    if _HTML.match(text):
        title = _TITLE.search(text)
        return f"HTTP {status} with an HTML page: {title[1].strip() if title else 'untitled'}"
    return f"HTTP {status}: {text}"


def _clean(message: str) -> str:
    # Cut generously first: masking must not see half a key, nor all of a huge body.
    masked = _SECRET.sub("[masked]", " ".join(message[: 4 * MAX_MESSAGE_CHARS].split()))
    return masked[:MAX_MESSAGE_CHARS]
