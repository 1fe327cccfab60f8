"""The assertions of JSON Schema that look at one value alone, each as a plain function.

A function gets the keyword's argument and the value, and raises TypeError or ValueError where the argument is
not what the keyword takes. Values of another type than the keyword is about always hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import re2

from policies.answer_checks.json_values import fingerprint, json_type

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = 1 << 20
_TYPES = frozenset(("null", "boolean", "integer", "number", "string", "array", "object"))


def matches(pattern: str, text: str) -> bool:
    """Tell whether a pattern is found in `text`; raise re2.error for one that is not linear-time."""
    return re2.search(pattern, text.encode("utf-8", "replace"), _OPTIONS) is not None


def _number(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise TypeError


def _is_number(value: object) -> bool:
    return json_type(value) in {"integer", "number"}


def _has_type(argument: object, value: object) -> bool:
    names = argument if isinstance(argument, list) else [argument]
    if not names or not all(name in _TYPES for name in names):
        raise TypeError
    actual = json_type(value)
    return actual in names or (actual == "integer" and "number" in names)


def _is_among(argument: object, value: object) -> bool:
    if not isinstance(argument, list):
        raise TypeError
    return fingerprint(value) in {fingerprint(item) for item in argument}


def _has_required(argument: object, value: object) -> bool:
    if not isinstance(argument, list):
        raise TypeError
    return not isinstance(value, dict) or all(name in value for name in argument)


def _has_dependents(argument: object, value: object) -> bool:
    if not isinstance(argument, dict):
        raise TypeError
    return not isinstance(value, dict) or all(
        _has_required(names, value) for key, names in argument.items() if key in value
    )


def _is_multiple(argument: object, value: object) -> bool:
    if not _is_number(value):
        return True
    quotient = _number(value) / _number(argument)
    return abs(quotient - round(quotient)) < 1e-9 * max(1.0, abs(quotient))


def _matches_pattern(argument: object, value: object) -> bool:
    if not isinstance(argument, str):
        raise TypeError
    return not isinstance(value, str) or matches(argument, value)


def _bound(
    kind: type[str | list[object] | dict[str, object]], holds: Callable[[float, float], bool]
) -> Callable[[object, object], bool]:
    def check(argument: object, value: object) -> bool:
        limit = _number(argument)
        return not isinstance(value, kind) or holds(len(value), limit)

    return check


def _limit(holds: Callable[[float, float], bool]) -> Callable[[object, object], bool]:
    def check(argument: object, value: object) -> bool:
        limit = _number(argument)
        return not _is_number(value) or holds(_number(value), limit)

    return check


def _are_unique(argument: object, value: object) -> bool:
    if argument is not True or not isinstance(value, list):
        return True
    return len({fingerprint(item) for item in value}) == len(value)


ASSERTIONS: Mapping[str, Callable[[object, object], bool]] = {
    "type": _has_type,
    "enum": _is_among,
    "const": lambda argument, value: fingerprint(argument) == fingerprint(value),
    "required": _has_required,
    "dependentRequired": _has_dependents,
    "pattern": _matches_pattern,
    "multipleOf": _is_multiple,
    "uniqueItems": _are_unique,
    "minimum": _limit(lambda value, limit: value >= limit),
    "maximum": _limit(lambda value, limit: value <= limit),
    "exclusiveMinimum": _limit(lambda value, limit: value > limit),
    "exclusiveMaximum": _limit(lambda value, limit: value < limit),
    "minLength": _bound(str, lambda value, limit: value >= limit),
    "maxLength": _bound(str, lambda value, limit: value <= limit),
    "minItems": _bound(list, lambda value, limit: value >= limit),
    "maxItems": _bound(list, lambda value, limit: value <= limit),
    "minProperties": _bound(dict, lambda value, limit: value >= limit),
    "maxProperties": _bound(dict, lambda value, limit: value <= limit),
}
