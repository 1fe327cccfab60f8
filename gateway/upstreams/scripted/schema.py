"""A valid instance of a JSON schema (the part of it that tools and structured output use; no `pattern`)."""

from __future__ import annotations

import math

from gateway.upstreams.scripted.json_view import JsonObject, field, number, rows, text
from gateway.upstreams.scripted.text import pick

_FORMATS = {
    "date": "2026-03-14",
    "date-time": "2026-03-14T09:26:53Z",
    "time": "09:26:53Z",
    "email": "sam@example.com",
    "uri": "https://example.com/a",
    "uuid": "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    "ipv4": "192.0.2.1",
}
_PLACES = ("alpha", "beta", "gamma", "delta", "omega", "sigma")
_DEEP = 4


def build_instance(schema: object, seed: str) -> object:
    """Return a value that satisfies `schema`, the same for the same seed; `seed` colours its strings."""
    return _build(schema, schema, seed, 0)


def _build(schema: object, root: object, seed: str, depth: int) -> object:
    schema = _resolve(schema, root)
    if not isinstance(schema, dict):
        return pick(seed, _PLACES)
    if "const" in schema:
        return schema["const"]
    if options := rows(schema.get("enum")):
        return pick(seed, options)
    kind = _kind(schema)
    if kind == "object":
        return _object(schema, root, seed, depth)
    if kind == "array":
        return _array(schema, root, seed, depth)
    if kind in {"integer", "number"}:
        return _number(schema, whole=kind == "integer")
    if kind in {"boolean", "null"}:
        return True if kind == "boolean" else None
    return _string(schema, seed)


def _resolve(schema: object, root: object) -> object:
    """Follow `$ref`, take the first alternative that is not null, and merge `allOf`."""
    while ref := text(field(schema, "$ref")):
        schema = field(root, *ref.removeprefix("#/").split("/")) if ref != "#" else root
    for word in ("anyOf", "oneOf"):
        for option in rows(field(schema, word)):
            if field(option, "type") != "null":
                return _resolve(option, root)
    merged: JsonObject = dict(schema) if isinstance(schema, dict) else {}
    for part in rows(merged.pop("allOf", None)):
        resolved = _resolve(part, root)
        properties = {**_mapping(merged, "properties"), **_mapping(resolved, "properties")}
        required = [*rows(merged.get("required")), *rows(field(resolved, "required"))]
        merged |= _mapping({"it": resolved}, "it") | {"properties": properties, "required": required}
    return merged


def _mapping(value: object, name: str) -> JsonObject:
    found = field(value, name)
    return found if isinstance(found, dict) else {}


def _kind(schema: JsonObject) -> str:
    declared = schema.get("type")
    if isinstance(declared, list):
        declared = next((kind for kind in declared if kind != "null"), "null")
    if isinstance(declared, str):
        return declared
    return "object" if "properties" in schema else "array" if "items" in schema else "string"


def _object(schema: JsonObject, root: object, seed: str, depth: int) -> JsonObject:
    required = rows(schema.get("required"))
    properties = _mapping(schema, "properties")
    # Deep down only what is required is built, so that a schema that refers to itself comes to an end.
    names = [name for name in properties if depth < _DEEP or name in required]
    return {name: _build(properties[name], root, f"{seed} {name}", depth + 1) for name in names}


def _array(schema: JsonObject, root: object, seed: str, depth: int) -> list[object]:
    least = int(number(schema.get("minItems")) or 0)
    count = max(least, 0 if depth >= _DEEP or schema.get("maxItems") == 0 else 1)
    return [_build(schema.get("items"), root, f"{seed} {n}", depth + 1) for n in range(count)]


def _number(schema: JsonObject, *, whole: bool) -> float:
    step = number(schema.get("multipleOf")) or (1 if whole else 0.5)
    low, above = number(schema.get("minimum")), number(schema.get("exclusiveMinimum"))
    high, below = number(schema.get("maximum")), number(schema.get("exclusiveMaximum"))
    value = step * 3
    if above is not None and value <= above:
        value = (math.floor(above / step) + 1) * step
    if low is not None and value < low:
        value = math.ceil(low / step) * step
    if below is not None and value >= below:
        value = (math.ceil(below / step) - 1) * step
    if high is not None and value > high:
        value = math.floor(high / step) * step
    return int(value) if whole else value


def _string(schema: JsonObject, seed: str) -> str:
    formatted = _FORMATS.get(text(schema.get("format")))
    if formatted:
        return formatted
    least, most = int(number(schema.get("minLength")) or 0), number(schema.get("maxLength"))
    value = f"{seed.rsplit(' ', 1)[-1]} {pick(seed, _PLACES)}".ljust(least, "x")
    return value if most is None else value[: int(most)]
