"""A JSON Schema check that is pure and bounded, and says "cannot tell" rather than guess.

General validators fetch remote references, use backtracking patterns and follow recursive schemas without
end; a schema here comes from a caller. This one knows the assertions that structured output uses (JSON Schema
2020-12, and draft 7's array form of `items`), resolves references inside the document only, matches with
RE2 and counts its steps. An assertion it does not know makes the verdict unknown unless another one fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from urllib.parse import unquote

import msgspec
import re2

from policies.answer_checks.json_keywords import ASSERTIONS, matches
from policies.answer_checks.json_values import MAX_DEPTH, TooDeep

MAX_STEPS = 50_000
_UNKNOWN = frozenset(
    """contains minContains maxContains unevaluatedItems unevaluatedProperties dependentSchemas dependencies
    additionalItems $dynamicRef $recursiveRef""".split()
)


class Verdict(msgspec.Struct, frozen=True):
    """Whether a value satisfies a schema; None where that cannot be told. `fault` names path and keyword."""

    holds: bool | None
    fault: str = ""


_HOLDS = Verdict(holds=True)


def _fails(fault: str) -> Verdict:
    return Verdict(holds=False, fault=fault)


def _unsure(fault: str) -> Verdict:
    return Verdict(holds=None, fault=fault)


class _CannotTell(Exception):
    """The step budget is spent, the nesting too deep, or the schema not one."""


def validate(schema: object, value: object) -> Verdict:
    """Return whether `value` satisfies `schema` (both decoded JSON); total and bounded in steps."""
    try:
        return _Validation(schema).check(schema, value, "$")
    except (_CannotTell, TooDeep, RecursionError) as error:
        return _unsure(str(error) or "nested too deeply to check")


class _Validation:
    """One validation: the root for references, and how many steps are left."""

    def __init__(self, root: object) -> None:
        self._root = root
        self._steps = MAX_STEPS
        self._depth = 0

    def check(self, schema: object, value: object, path: str) -> Verdict:
        self._steps -= 1
        if self._steps < 0:
            raise _CannotTell("more steps than are allowed")
        if isinstance(schema, bool):
            return _HOLDS if schema else _fails(f"{path}: nothing is allowed here")
        if not isinstance(schema, dict):
            return _unsure(f"{path}: the schema is not an object")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _CannotTell("nested too deeply to check")
        verdict = _all(self._assertions(schema, value, path))
        self._depth -= 1
        return verdict

    def _assertions(self, schema: Mapping[str, object], value: object, path: str) -> Iterator[Verdict]:
        for keyword, argument in schema.items():
            if keyword in _UNKNOWN:
                yield _unsure(f"{path}: `{keyword}` is not checked")
            elif keyword in ASSERTIONS:
                yield self._simple(keyword, argument, value, path)
        for apply in dict.fromkeys(_APPLICATORS[keyword] for keyword in schema if keyword in _APPLICATORS):
            yield apply(self, schema, value, path)

    def _simple(self, keyword: str, argument: object, value: object, path: str) -> Verdict:
        self._steps -= len(value) // 16 if isinstance(value, str | list | dict) else 0
        try:
            holds = ASSERTIONS[keyword](argument, value)
        except (TypeError, ValueError, ArithmeticError, re2.error) as error:
            if isinstance(error, TooDeep):
                raise
            return _unsure(f"{path}: `{keyword}` has an argument that cannot be used")
        return _HOLDS if holds else _fails(f"{path}: fails `{keyword}`")

    def reference(self, schema: Mapping[str, object], value: object, path: str) -> Verdict:
        target = self._resolve(schema["$ref"])
        if target is None:
            return _unsure(f"{path}: `$ref` leads outside the schema")
        return self.check(target, value, path)

    def _resolve(self, reference: object) -> object | None:
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            return None
        found = self._root
        for part in reference.split("/")[1:]:
            name = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            elif isinstance(found, dict) and name in found:
                found = found[name]
            else:
                return None
        return found

    def properties(self, schema: Mapping[str, object], value: object, path: str) -> Verdict:
        """Check the three property keywords at once: what one names, the next leaves alone."""
        if not isinstance(value, dict):
            return _HOLDS
        return _all(self._members(schema, value, path))

    def _members(
        self, schema: Mapping[str, object], value: Mapping[str, object], path: str
    ) -> Iterator[Verdict]:
        named = schema.get("properties", {})
        patterns = schema.get("patternProperties", {})
        if not isinstance(named, dict) or not isinstance(patterns, dict):
            yield _unsure(f"{path}: `properties` is not an object")
            return
        for key, item in value.items():
            here = f"{path}.{key}" if key in named else f"{path}.*"
            matched = [sub for pattern, sub in patterns.items() if self._matches(pattern, key)]
            for sub in (*([named[key]] if key in named else ()), *matched):
                yield self.check(sub, item, here)
            if key not in named and not matched and "additionalProperties" in schema:
                yield self.check(schema["additionalProperties"], item, here)

    def _matches(self, pattern: str, key: str) -> bool:
        self._steps -= 1
        try:
            return matches(pattern, key)
        except (re2.error, UnicodeError):
            raise _CannotTell("a pattern of the schema is not linear-time") from None

    def property_names(self, schema: Mapping[str, object], value: object, path: str) -> Verdict:
        if not isinstance(value, dict):
            return _HOLDS
        return _all(self.check(schema["propertyNames"], key, f"{path}.*") for key in value)

    def items(self, schema: Mapping[str, object], value: object, path: str) -> Verdict:
        if not isinstance(value, list):
            return _HOLDS
        rest = schema.get("items", True)
        first = rest if isinstance(rest, list) else schema.get("prefixItems", [])
        rest = True if isinstance(rest, list) else rest
        if not isinstance(first, list):
            return _unsure(f"{path}: `prefixItems` is not an array")
        pairs = ((first[i] if i < len(first) else rest, item, i) for i, item in enumerate(value))
        return _all(self.check(sub, item, f"{path}[{i}]") for sub, item, i in pairs)

    def all_of(self, schema: Mapping[str, object], value: object, path: str) -> Verdict:
        return _all(self._each(schema["allOf"], value, path))

    def any_of(self, schema: Mapping[str, object], value: object, path: str) -> Verdict:
        verdicts = list(self._each(schema["anyOf"], value, path))
        if any(verdict.holds for verdict in verdicts):
            return _HOLDS
        unsure = any(verdict.holds is None for verdict in verdicts)
        return Verdict(holds=None if unsure else False, fault=f"{path}: fails `anyOf`")

    def one_of(self, schema: Mapping[str, object], value: object, path: str) -> Verdict:
        holds = [verdict.holds for verdict in self._each(schema["oneOf"], value, path)]
        count, unsure = holds.count(True), holds.count(None)
        if count > 1 or (count == 0 and unsure == 0):
            return _fails(f"{path}: fails `oneOf`")
        return _HOLDS if not unsure else _unsure(f"{path}: `oneOf` is not checked")

    def negation(self, schema: Mapping[str, object], value: object, path: str) -> Verdict:
        holds = self.check(schema["not"], value, path).holds
        return Verdict(holds=None if holds is None else not holds, fault=f"{path}: fails `not`")

    def condition(self, schema: Mapping[str, object], value: object, path: str) -> Verdict:
        holds = self.check(schema["if"], value, path).holds
        if holds is None:
            return _unsure(f"{path}: `if` is not checked")
        return self.check(schema.get("then" if holds else "else", True), value, path)

    def _each(self, schemas: object, value: object, path: str) -> Iterator[Verdict]:
        if not isinstance(schemas, list):
            raise _CannotTell(f"{path}: the schema's alternatives are not an array")
        return (self.check(schema, value, path) for schema in schemas)


def _all(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the first failure, else the first uncertainty, else that all hold."""
    unsure: Verdict | None = None
    for verdict in verdicts:
        if verdict.holds is False:
            return verdict
        if verdict.holds is None and unsure is None:
            unsure = verdict
    return unsure or _HOLDS


_APPLICATORS: Mapping[str, Callable[[_Validation, Mapping[str, object], object, str], Verdict]] = {
    "$ref": _Validation.reference,
    "properties": _Validation.properties,
    "patternProperties": _Validation.properties,
    "additionalProperties": _Validation.properties,
    "propertyNames": _Validation.property_names,
    "items": _Validation.items,
    "prefixItems": _Validation.items,
    "allOf": _Validation.all_of,
    "anyOf": _Validation.any_of,
    "oneOf": _Validation.one_of,
    "not": _Validation.negation,
    "if": _Validation.condition,
}
