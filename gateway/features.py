"""From a parsed request to the features a decision is made from. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache

import msgspec

from gateway.errors import InvalidRequest, ModelNotFound
from gateway.exchange import ChatRequest, Principal
from gateway.tags import TAGS_FIELD, read_tags
from gateway.token_bound import tally
from gateway.wire.base import Codec
from policies.envelope import Envelopes, Wanted
from policies.facts import Declared, Features, RouteWish
from policies.policy import Fleet

AUTO = "auto"
ROUTE_HEADER = "x-gateway-route"
METADATA_HEADER = "x-gateway-metadata"
SESSION_HEADERS = (
    "x-session-id",
    "x-litellm-session-id",
    "x-claude-code-session-id",
    "x-model-affinity",
    "session_id",
)
"""Where clients name their conversation; the first one present counts."""
TOKENS_PER_IMAGE = 1_600
"""What a vendor counts at most for one image, whatever its bytes."""
MAX_SESSION_CHARS = 128
_BASE64 = b";base64,"
_SYSTEM_HEAD_CHARS = 4_096
_OPENING = 2
"""So many messages tell one conversation from another."""
_ROUTES: Mapping[str, RouteWish] = {"premium": "premium", "base": "base", "auto": "auto"}
_DECLARED = ("service", "environment", "data_class", "impact", "revenue_impact", "customer_impact")
_NOT_OTHER = (*_DECLARED, TAGS_FIELD)


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """What extraction needs besides the request."""

    fleet: Fleet
    envelopes: Envelopes
    aliases: Mapping[str, str]


def extract(
    request: ChatRequest, headers: Mapping[str, str], principal: Principal, codec: Codec, reader: Reader
) -> Features:
    """Return the request's features; raise ModelNotFound, or InvalidRequest for a header not understood."""
    wanted = Wanted()
    reading = reader.envelopes.read(
        codec.turns(request, wanted),
        message_count=len(request.messages),
        has_tools=request.has_tools,
        system_head=system_head(request),
        wanted=wanted,
    )
    return Features(
        ask=reading.ask,
        dialect=request.dialect,
        model=request.model,
        pinned_deployments=resolve_model(request.model, reader.fleet, reader.aliases),
        route_wish=route_wish(headers, principal),
        input_tokens=bound_tokens(request),
        max_output_tokens=request.max_output_tokens,
        choices=request.choices,
        has_images=request.has_images,
        has_tools=request.has_tools,
        conversation=reading.conversation,
        declared=declared_context(request, headers, trusted="attribution" in principal.scopes),
        session=session_id(request, headers),
        tags=read_tags(request.metadata, headers),
    )


def resolve_model(name: str, fleet: Fleet, aliases: Mapping[str, str]) -> tuple[str, ...]:
    """Return the deployments `name` pins, none where policy routes it; raise ModelNotFound."""
    if name == AUTO:
        return ()
    pinned = fleet.named(name)
    if pinned:
        return pinned
    target = next((aim for pattern, aim in aliases.items() if fnmatchcase(name, pattern)), None)
    if target == AUTO:
        return ()
    pinned = fleet.named(target) if target else ()
    if not pinned:
        message = f"the model `{name[:200]}` does not exist or you do not have access to it; see /v1/models"
        raise ModelNotFound(message, param="model")
    return pinned


def route_wish(headers: Mapping[str, str], principal: Principal) -> RouteWish | None:
    """Return the caller's wish where the team honours it; raise InvalidRequest for an unknown value."""
    wish = headers.get(ROUTE_HEADER)
    if wish is None:
        return None
    known = _ROUTES.get(wish.strip().lower())
    if known is None:
        message = f"`{wish[:40]}` is not a route; send premium, base or auto in {ROUTE_HEADER}"
        raise InvalidRequest(message, param=ROUTE_HEADER)
    return known if principal.honours_route_wish else None


def bound_tokens(request: ChatRequest) -> int:
    """Return an upper bound of the prompt's tokens from its bytes; image bytes are not text."""
    raw, known = request.raw, request.beginning
    if request.dialect == "embeddings":  # its texts may come as token numbers, one to a comma
        return max(tally(raw).tokens(), raw.count(b",") + 1)
    if request.has_images:
        texts = _without_images(raw)
        images = max(len(texts) - 1, raw.count(b'"image'))
        return tally(b"".join(texts)).tokens() + images * TOKENS_PER_IMAGE
    return (tally(raw) if known is None else known.tally(raw)).tokens()


def bound_text(text: str) -> int:
    """Return an upper bound of a bare text's tokens."""
    return tally(text.encode("utf-8", "surrogatepass")).tokens()


def declared_context(request: ChatRequest, headers: Mapping[str, str], *, trusted: bool = False) -> Declared:
    """Return what the caller declares by header (JSON object) or body metadata; the header wins.

    Raise InvalidRequest for a header that is not understood or longer than 8 KiB.
    """
    text = headers.get(METADATA_HEADER)
    if text is None and not request.metadata:
        return _UNDECLARED
    declared = dict(request.metadata or {})
    if text is not None:
        try:
            declared.update(msgspec.json.decode(text, type=dict[str, str]))
        except (msgspec.DecodeError, UnicodeError):
            message = f"{METADATA_HEADER} must be a JSON object of strings"
            raise InvalidRequest(message, param=METADATA_HEADER) from None
    if not declared:
        return _UNDECLARED
    return read_declared(declared, trusted=trusted)


def read_declared(values: Mapping[str, str], *, trusted: bool = False) -> Declared:
    """Return declarations as they are used: known ones by name, at most 16 others as tags, cut to size."""
    known = {name: values[name][:128] for name in _DECLARED if name in values}
    tags = sorted((k[:64], v[:128]) for k, v in values.items() if k not in _NOT_OTHER)[:16]
    return Declared(tags=tuple(tags), trusted=trusted, **known)


def session_id(request: ChatRequest, headers: Mapping[str, str]) -> str:
    """Return the conversation's id: what the client says, else a digest of how the conversation began."""
    for name in SESSION_HEADERS:
        if value := headers.get(name):
            return value.encode("ascii", "backslashreplace").decode()[:MAX_SESSION_CHARS]
    known = request.beginning
    if known is None or request.system is not None or len(known.messages) < _OPENING:
        return _opening_digest(request)
    if known.session is None:
        known.session = _opening_digest(request)
    return known.session


def _opening_digest(request: ChatRequest) -> str:
    parts = (request.system, *request.messages[:_OPENING])
    return _digest(tuple([_start(part) for part in parts if part is not None]))


def system_head(request: ChatRequest) -> str:
    """Return the beginning of the system prompt, from which clients are recognised."""
    known = request.beginning
    if request.system is not None:
        return _head_text(_start(request.system))
    if known is None:
        return _first_head(request)
    if known.system_head is None:
        known.system_head = _first_head(request)
    return known.system_head


def _first_head(request: ChatRequest) -> str:
    """Return the beginning of the first message where it is the system's."""
    head = _start(request.messages[0]) if request.messages else b""
    return _head_text(head) if b'"system"' in head or b'"developer"' in head else ""


@lru_cache(maxsize=128)
def _digest(starts: tuple[bytes, ...]) -> str:
    """Return what tells conversations apart; to find it again takes half as long as to reckon it."""
    return hashlib.blake2b(b"".join(starts), digest_size=12).hexdigest()


@lru_cache(maxsize=512)
def _head_text(head: bytes) -> str:
    """Return the escaped JSON text as people read it; agents send the same head with every request."""
    text = head.decode("utf-8", "replace")
    return text.replace("\\n", "\n").replace('\\"', '"')


def _start(part: msgspec.Raw) -> bytes:
    return bytes(memoryview(part)[:_SYSTEM_HEAD_CHARS])


def _without_images(raw: bytes) -> list[bytes]:
    """Return what stands before, between and after the base64 payloads of a body."""
    texts, end, start = [], 0, raw.find(_BASE64)
    while start >= 0:
        texts.append(raw[end:start])
        end = raw.find(b'"', start)
        end = len(raw) if end < 0 else end
        start = raw.find(_BASE64, end)
    return [*texts, raw[end:]]


_UNDECLARED = Declared()
