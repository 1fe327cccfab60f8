"""The endpoints that are no conversation: the models on offer, and embeddings."""

from __future__ import annotations

import base64
import math
import struct

from gateway.upstreams.scripted.json_view import JsonObject, number, rows, text
from gateway.upstreams.scripted.scenario import Scenario
from gateway.upstreams.scripted.text import Stamp, count_tokens, pick
from gateway.upstreams.scripted.vendor import Refusal, Rendering

MODELS = ("glm-4.5", "glm-4.5-air", "gpt-4.1-mini")
CLAUDE_MODELS = (
    ("claude-opus-4-1-20250805", "Claude Opus 4.1", "2025-08-05T00:00:00Z"),
    ("claude-haiku-4-5-20251001", "Claude Haiku 4.5", "2025-10-15T00:00:00Z"),
)
DIMENSIONS = 64


def refuse_nothing(body: JsonObject) -> Refusal | None:  # noqa: ARG001 - one signature for every endpoint
    """Accept any body."""
    return None


def list_models(body: JsonObject, scenario: Scenario, stamp: Stamp) -> Rendering:  # noqa: ARG001 - one signature
    """Return OpenAI's list of models."""
    listed = [
        {"id": name, "object": "model", "created": 1_753_632_000, "owned_by": "scripted"} for name in MODELS
    ]
    return Rendering(body={"object": "list", "data": listed})


def list_claude_models(body: JsonObject, scenario: Scenario, stamp: Stamp) -> Rendering:  # noqa: ARG001 - one signature
    """Return Anthropic's list of models."""
    listed = [{"type": "model", "id": i, "display_name": n, "created_at": at} for i, n, at in CLAUDE_MODELS]
    ends = {"first_id": CLAUDE_MODELS[0][0], "last_id": CLAUDE_MODELS[-1][0]}
    return Rendering(body={"data": listed, "has_more": False, **ends})


def embed(body: JsonObject, scenario: Scenario, stamp: Stamp) -> Rendering:  # noqa: ARG001 - one signature
    """Return a unit vector for every input, the same for the same text, as numbers or base64 floats."""
    given = body.get("input")
    inputs = [given] if isinstance(given, str) else [str(item) for item in rows(given)]
    size = int(number(body.get("dimensions")) or DIMENSIONS)
    coded = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": n, "embedding": _encode(_vector(item, size), coded=coded)}
        for n, item in enumerate(inputs)
    ]
    read = count_tokens(*inputs)
    usage = {"prompt_tokens": read, "total_tokens": read}
    return Rendering(body={"object": "list", "data": data, "model": text(body.get("model")), "usage": usage})


def _vector(item: str, size: int) -> list[float]:
    drawn = [pick(f"{item} {n}", range(-1000, 1001)) or 1 for n in range(size)]
    length = math.sqrt(sum(value * value for value in drawn))
    return [value / length for value in drawn]


def _encode(vector: list[float], *, coded: bool) -> str | list[float]:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() if coded else vector
