"""The OpenAPI document, made from the route table. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from gateway.decision_log import DecisionRecord
from gateway.explain import Explanation
from gateway.reports import CostLine, RoiLine
from gateway.wiring import Guarded, Route

_PARAMETER = re.compile(r"\{(\w+)(?::[^}]*)?\}")
_REF = "#/components/schemas/{name}"
_NO_CONTENT = 204
_SHOWN = (DecisionRecord, Explanation, CostLine, RoiLine)
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "the record's ETag; another version is refused with 412",
    "schema": {"type": "string"},
}

Json = Mapping[str, object]


def document(routes: Iterable[Route], version: str = "0.1.0") -> Json:
    """Return the OpenAPI 3.1 document of `routes`."""
    described = list(routes)
    shapes = _Shapes(described)
    paths: dict[str, dict[str, Json]] = {}
    for route in described:
        paths.setdefault(plain_path(route.path), {})[route.method.lower()] = _operation(route, shapes)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "gateway",
            "version": version,
            "description": "OpenAI-compatible; decides, prompt by prompt, which model the work deserves.",
        },
        "paths": paths,
        "components": {
            "schemas": shapes.components | {"Error": _ERROR, "AnthropicError": _ANTHROPIC_ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def plain_path(path: str) -> str:
    """Return a route's path without its patterns."""
    return _PARAMETER.sub(r"{\1}", path)


class _Shapes:
    """The schemas of every body and answer, named once, and the parameters of every query."""

    def __init__(self, routes: Iterable[Route]) -> None:
        guarded = [route for route in routes if isinstance(route, Guarded)]
        types = dict.fromkeys(t for r in guarded for t in (r.body, r.answer) if t is not None)
        schemas, self.components = msgspec.json.schema_components((*_SHOWN, *types), ref_template=_REF)
        self._schemas = dict(zip(types, schemas[len(_SHOWN) :], strict=True))

    def content(self, shape: object) -> Mapping[str, Json]:
        """Return the JSON content of a type, of any object where none is declared."""
        return {"application/json": {"schema": self._schemas.get(shape, {"type": "object"})}}

    @staticmethod
    def query(shape: object) -> Iterator[Json]:
        """Yield the parameters of a query type."""
        if shape is None:
            return
        _, components = msgspec.json.schema_components((shape,), ref_template=_REF)
        (schema,) = components.values()
        for name, field in schema["properties"].items():
            required = name in schema.get("required", ())
            yield {"name": name, "in": "query", "required": required, "schema": field}


def _operation(route: Route, shapes: _Shapes) -> Json:
    operation: dict[str, object] = {
        "operationId": f"{route.method.lower()}{plain_path(route.path)}".replace("/", "_"),
        "summary": route.summary,
        "parameters": list(_parameters(route, shapes)),
        "responses": _responses(route, shapes),
    }
    if isinstance(route, Guarded):
        operation["security"] = [{"key": []}]
        operation["description"] = f"needs a key with the scope `{route.scope}`"
    body = route.body if isinstance(route, Guarded) else None
    if body is not None or (route.method == "POST" and _answer(route) is None):
        operation["requestBody"] = {"required": True, "content": shapes.content(body)}
    return operation


def _parameters(route: Route, shapes: _Shapes) -> Iterator[Json]:
    for name in _PARAMETER.findall(route.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    if isinstance(route, Guarded):
        yield from shapes.query(route.query)
        if route.versioned:
            yield _IF_MATCH


def _responses(route: Route, shapes: _Shapes) -> Json:
    good: dict[str, object] = {"description": "as the summary says"}
    statuses = (route.status,) if isinstance(route, Guarded) else route.statuses
    if statuses != (_NO_CONTENT,):
        good["content"] = {media: _medium(media, route, shapes) for media in route.media}
    shape, whose = ("AnthropicError", "Anthropic") if _speaks_messages(route) else ("Error", "OpenAI")
    content = {"application/json": {"schema": {"$ref": _REF.format(name=shape)}}}
    error = {"description": f"an error in {whose}'s shape", "content": content}
    refusals = dict.fromkeys(("401", "403"), error) if isinstance(route, Guarded) else {}
    return {str(status): good for status in statuses} | refusals | {"default": error}


def _medium(media: str, route: Route, shapes: _Shapes) -> Json:
    if media != "application/json":
        return {"schema": {"type": "string"}}
    return shapes.content(_answer(route))["application/json"]


def _speaks_messages(route: Route) -> bool:
    return route.path.startswith("/v1/messages")


def _answer(route: Route) -> object:
    return route.answer if isinstance(route, Guarded) else None


_ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
_ANTHROPIC_ERROR: Json = {
    "type": "object",
    "required": ["type", "error", "request_id"],
    "properties": {
        "type": {"const": "error"},
        "error": {
            "type": "object",
            "required": ["type", "message"],
            "properties": {"type": {"type": "string"}, "message": {"type": "string"}},
        },
        "request_id": {"type": "string"},
    },
}
