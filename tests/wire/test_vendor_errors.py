from __future__ import annotations

import json

import pytest

from gateway.wire.vendor_errors import garbled, read_embedded_fault, read_fault
from policies.facts import Dialect

NOW = 1_735_689_600.0  # 2025-01-01T00:00:00Z


def openai(message: str, **fields: object) -> bytes:
    """Encode an error in OpenAI's shape."""
    return json.dumps({"error": {"message": message, **fields}}).encode()


def anthropic(kind: str, message: str, **fields: object) -> bytes:
    """Encode an error in Anthropic's shape."""
    return json.dumps({"type": "error", "error": {"type": kind, "message": message, **fields}}).encode()


def zai(code: int, message: str) -> bytes:
    """Encode an error in Z.ai's shape."""
    return json.dumps({"error": {"code": str(code), "message": message}}).encode()


@pytest.mark.parametrize(
    ("provider", "status", "body", "kind"),
    [
        ("openai", 401, openai("Incorrect API key", code="invalid_api_key"), "auth_failed"),
        ("openai", 403, openai("no access to the project"), "auth_failed"),
        ("openai", 402, openai("pay"), "account_empty"),
        ("openai", 429, openai("quota", type="insufficient_quota"), "account_empty"),
        ("openai", 429, openai("Request too large: maximum context length", type="tokens"), "rate_limited"),
        ("openai", 400, openai("bad n", type="invalid_request_error", param="n"), "bad_request"),
        ("openai", 404, openai("no such model", code="model_not_found"), "bad_request"),
        ("openai", 400, openai("too long", code="context_length_exceeded"), "context_overflow"),
        ("vllm", 400, openai("This model's maximum context length is 8192 tokens"), "context_overflow"),
        ("azure", 400, openai("filtered", code="content_filter"), "refused"),
        ("openai", 500, openai("oops", type="server_error"), "server_error"),
        ("openai", 503, openai("busy", type="service_unavailable"), "overloaded"),
        ("openai", 408, b"", "timeout"),
        ("cloudflare", 524, b"<html><title>524</title>", "timeout"),
        ("openai", 504, b"", "timeout"),
        ("openai", 502, b"<!DOCTYPE html><title>Bad gateway</title>", "server_error"),
        ("openai", 302, b"", "garbled"),
        ("openrouter", 402, b'{"error":{"code":402,"message":"credits"}}', "account_empty"),
        ("zai", 429, b'{"error":{"code":"1113","message":"Insufficient balance"}}', "account_empty"),
        ("zai", 429, b'{"error":{"code":"1302","message":"concurrency"}}', "rate_limited"),
        ("zai", 429, zai(1305, "The API has triggered a rate limit."), "rate_limited"),
        ("zai", 429, zai(1305, "The service may be temporarily overloaded"), "overloaded"),
        ("zai", 529, zai(1305, "该模型当前访问量过大"), "overloaded"),
        ("zai", 429, zai(1312, "This model is currently experiencing high traffic."), "overloaded"),
        ("zai", 400, zai(1214, "invalid text: high traffic"), "bad_request"),
        ("zai", 429, zai(1310, "Weekly/Monthly Limit Exhausted."), "rate_limited"),
        ("zai", 429, zai(1311, "Your current subscription plan does not include GLM-5"), "auth_failed"),
        ("zai", 429, zai(1309, "Your GLM Coding Plan package has expired"), "account_empty"),
        ("zai", 400, zai(1300, "API call blocked by policy"), "refused"),
        ("zai", 404, zai(1221, "API x has been taken offline"), "server_error"),
        ("zai", 404, zai(1222, "API x does not exist"), "server_error"),
        ("zai", 400, zai(1231, "You already have a request: r"), "rate_limited"),
        ("zai", 400, zai(1200, "API Call Error"), "server_error"),
        ("zai", 400, b'{"error":{"code":"1261","message":"Prompt exceeds max length"}}', "context_overflow"),
        (
            "zai",
            400,
            b'{"error":{"code":"1210","message":"182 tokens exceeds the model\'s maximum context length"}}',
            "context_overflow",
        ),
        ("zai", 400, b'{"error":{"code":"1301","message":"sensitive"}}', "refused"),
        ("zai", 400, b'{"error":{"code":1214,"message":"messages"}}', "bad_request"),
        ("zai", 200, b'{"code":1002,"msg":"token","success":false}', "auth_failed"),
        ("anthropic", 529, anthropic("overloaded_error", "Overloaded"), "overloaded"),
        ("anthropic", 413, anthropic("request_too_large", "32 MB"), "bad_request"),
        (
            "anthropic",
            400,
            anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
            "context_overflow",
        ),
        (
            "anthropic",
            400,
            anthropic(
                "invalid_request_error", "input length and `max_tokens` exceed context limit: 19 + 2 > 20"
            ),
            "context_overflow",
        ),
        (
            "anthropic",
            400,
            anthropic("invalid_request_error", "Your credit balance is too low"),
            "account_empty",
        ),
        ("anthropic", 400, anthropic("invalid_request_error", "temperature: range"), "bad_request"),
        (
            "anthropic",
            429,
            anthropic("rate_limit_error", "slow", details={"error_code": "enforced_spend_limit_reached"}),
            "account_empty",
        ),
        ("anthropic", 500, anthropic("api_error", "Internal server error"), "server_error"),
        ("any", 418, b'{"detail":"teapot"}', "bad_request"),
        ("any", 400, b'{"error":"plain words"}', "bad_request"),
    ],
)
def test_kinds(provider: str, status: int, body: bytes, kind: str) -> None:
    """Status, code and words together name the fault."""
    dialect: Dialect = "messages" if provider == "anthropic" else "chat"
    fault = read_fault(dialect, provider, status, {}, body, now=NOW)
    assert (fault.kind, fault.status) == (kind, status)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"retry-after": "34"}, 34.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after": "Wed, 01 Jan 2025 00:01:00 GMT"}, 60.0),
        ({"retry-after": "Tue, 31 Dec 2024 23:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"x-ratelimit-reset-tokens": "6m0s", "x-ratelimit-remaining-tokens": "0"}, 360.0),
        ({"x-ratelimit-reset-tokens": "6m0s", "x-ratelimit-reset-requests": "20ms"}, 0.02),
        ({"x-ratelimit-reset-requests": "1h2m3.5s"}, 3723.5),
        ({"x-ratelimit-reset": str(NOW + 9)}, 9.0),
        ({"x-ratelimit-reset": str(int(NOW + 9) * 1000)}, 9.0),
        ({"x-ratelimit-reset": ""}, None),
    ],
)
def test_waits(headers: dict[str, str], wait_s: float | None) -> None:
    """Every form of `come back later` is read in seconds."""
    fault = read_fault("chat", "openai", 429, headers, b"", now=NOW)
    assert fault.retry_after_s == (None if wait_s is None else pytest.approx(wait_s))


def test_anthropic_reset_time() -> None:
    """Anthropic's resets are times, and the exhausted limit counts."""
    headers = {
        "anthropic-ratelimit-requests-reset": "2025-01-01T00:00:05Z",
        "anthropic-ratelimit-tokens-reset": "2025-01-01T00:00:30Z",
        "anthropic-ratelimit-tokens-remaining": "0",
    }
    assert read_fault("messages", "anthropic", 429, headers, b"", now=NOW).retry_after_s == 30.0


def test_resets_only_when_limited() -> None:
    """Limit headers on another error say nothing about waiting."""
    headers = {"x-ratelimit-reset-requests": "9s"}
    assert read_fault("chat", "openai", 500, headers, b"", now=NOW).retry_after_s is None


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcDEF123456",
        "sk-ant-api03-abc_def-123",
        "sk-abcde***************1234",
        "Bearer abc.def",
        "0123456789abcdef0123456789abcdef.AbCdEfGhIjKlMnOp",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
    ],
)
def test_keys_never_show(secret: str) -> None:
    """What looks like a key is masked, also half masked by the vendor."""
    message = read_fault("chat", "openai", 401, {}, openai(f"bad key {secret}."), now=NOW).message
    assert secret not in message
    assert message.startswith("bad key [masked]")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "HTTP 502 with an empty body"),
        (b"<html><head><title> Oops </title>", "HTTP 502 with an HTML page: Oops"),
        (b"plain\n  text", "HTTP 502: plain text"),
        (b"\xff\xfe", "HTTP 502: \ufffd\ufffd"),
        (b'{"error":{"code":"7"}}', '{"code":"7"}'),
    ],
)
def test_bodies_in_words(body: bytes, message: str) -> None:
    """Bodies that are no error object are described."""
    assert read_fault("chat", "openai", 502, {}, body, now=NOW).message == message


def test_message_is_cut() -> None:
    """A vendor's essay becomes 500 characters, words of any script intact."""
    assert read_fault("chat", "zai", 400, {}, openai("参数" * 900), now=NOW).message == "参数" * 250


@pytest.mark.parametrize(
    ("provider", "body", "kind"),
    [
        ("openai", openai("overloaded", type="overloaded_error"), "overloaded"),
        ("openai", openai("slow", code=429), "rate_limited"),
        ("openai", openai("?"), "server_error"),
        ("zai", b'{"error":{"code":"1302","message":"x"}}', "rate_limited"),
        ("anthropic", anthropic("overloaded_error", "Overloaded"), "overloaded"),
    ],
)
def test_errors_inside_answers(provider: str, body: bytes, kind: str) -> None:
    """An error inside a 200 is known by its code alone."""
    fault = read_embedded_fault(provider, body)
    assert fault is not None
    assert fault.kind == kind


@pytest.mark.parametrize("body", [b"", b"[]", b'{"choices":[]}', b'{"error":null,"id":"x"}', b"<html>"])
def test_no_error_inside(body: bytes) -> None:
    """A body without an error has no fault to tell."""
    assert read_embedded_fault("openai", body) is None


def test_garbled_quotes_the_start() -> None:
    """What could not be understood is shown, masked."""
    fault = garbled("not a chunk", b"token sk-abc12345 x")
    assert (fault.kind, fault.message) == ("garbled", "not a chunk: HTTP 200: token [masked] x")
