"""The OpenAPI document, made from the route table. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from gateway.decision_log import DecisionRecord
from gateway.explain import Explanation
from gateway.reports import CostLine, RoiLine
from gateway.wiring import Guarded, Route

_PARAMETER = re.compile(r"\{(\w+)(?::[^}]*)?\}")
_REF = "#/components/schemas/{name}"
_SHOWN = (DecisionRecord, Explanation, CostLine, RoiLine)

Json = Mapping[str, object]


def document(routes: Iterable[Route], version: str = "0.1.0") -> Json:
    """Return the OpenAPI 3.1 document of `routes`."""
    paths: dict[str, dict[str, Json]] = {}
    for route in routes:
        paths.setdefault(plain_path(route.path), {})[route.method.lower()] = _operation(route)
    _, schemas = msgspec.json.schema_components(_SHOWN, ref_template=_REF)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "gateway",
            "version": version,
            "description": "OpenAI-compatible; decides, prompt by prompt, which model the work deserves.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas | {"Error": _ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def plain_path(path: str) -> str:
    """Return a route's path without its patterns."""
    return _PARAMETER.sub(r"{\1}", path)


def _operation(route: Route) -> Json:
    operation: dict[str, object] = {
        "operationId": f"{route.method.lower()}{plain_path(route.path)}".replace("/", "_"),
        "summary": route.summary,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in _PARAMETER.findall(route.path)
        ],
        "responses": {
            "200": {"description": "as the summary says"},
            "default": {
                "description": "an error in OpenAI's shape",
                "content": {"application/json": {"schema": {"$ref": _REF.format(name="Error")}}},
            },
        },
    }
    if isinstance(route, Guarded):
        operation["security"] = [{"key": []}]
        operation["description"] = f"needs a key with the scope `{route.scope}`"
    if route.method == "POST":
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object"}}},
        }
    return operation


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
