"""The bounded JSON Schema check against the reference implementation, and against hostile schemas."""

from __future__ import annotations

import time

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.answer_checks.json_schema import validate

Json = object
_LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.sampled_from([0.5, 1.0, 2.5]), st.sampled_from(["", "a", "ab", "b1"])
)  # fmt: skip
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "b", "c1"]), inner, max_size=3)
    ),
    max_leaves=6,
)
_TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
_SIZES = st.integers(0, 3)
_ASSERTIONS: dict[str, st.SearchStrategy[Json]] = {
    "type": st.one_of(_TYPES, st.lists(_TYPES, min_size=1, max_size=2, unique=True)),
    "enum": st.lists(_LEAVES, min_size=1, max_size=3),
    "const": _LEAVES,
    "required": st.lists(st.sampled_from(["a", "b"]), max_size=2, unique=True),
    "minimum": st.integers(-2, 2),
    "exclusiveMaximum": st.integers(-2, 2),
    "maximum": st.integers(-2, 2),
    "exclusiveMinimum": st.integers(-2, 2),
    "multipleOf": st.sampled_from([1, 2, 0.5]),
    "minLength": _SIZES,
    "maxLength": _SIZES,
    "minItems": _SIZES,
    "maxItems": _SIZES,
    "minProperties": _SIZES,
    "maxProperties": _SIZES,
    "uniqueItems": st.booleans(),
    "pattern": st.sampled_from(["^a", "b", "[0-9]$"]),
    "dependentRequired": st.just({"a": ["b"]}),
}


def _schemas(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    several = st.lists(inner, min_size=1, max_size=2)
    return st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "1"]), inner, max_size=1),
            "additionalProperties": inner,
            "propertyNames": inner,
            "items": inner,
            "prefixItems": several,
            "allOf": several,
            "anyOf": several,
            "oneOf": several,
            "not": inner,
            "if": inner,
            "then": inner,
            "else": inner,
        },
    )


_SCHEMAS = st.recursive(
    st.one_of(st.booleans(), st.fixed_dictionaries({}, optional=_ASSERTIONS)), _schemas, max_leaves=4
)


@settings(max_examples=200, deadline=None)
@given(_SCHEMAS, _VALUES)
def test_agrees_with_the_reference(schema: Json, value: Json) -> None:
    """Over the keywords it knows, the verdict is the reference implementation's."""
    assert validate(schema, value).holds is jsonschema.Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://169.254.169.254/x"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#/$defs/missing"},
        {"$ref": "#"},
        {"$ref": 3},
        {"contains": {"type": "string"}},
        {"not": {"contains": {"type": "string"}}},
        {"oneOf": [True, {"unevaluatedItems": False}]},
        {"if": {"contains": True}, "then": False},
        {"pattern": "(?=x)"},
        {"patternProperties": {"(?=x)": False}},
        {"type": "thing"},
        {"minimum": "1"},
        {"enum": 1},
        {"required": "a"},
        {"dependentRequired": []},
        {"pattern": 1},
        {"properties": []},
        {"prefixItems": 1},
        {"anyOf": 1},
        {"multipleOf": 0},
        {"allOf": ["x"]},
        "x",
    ],
)
def test_cannot_tell(schema: Json) -> None:
    """What is not checked, remote, or no schema at all gives no verdict instead of a guess."""
    values: list[Json] = [{"a": 1}, [1], 1, "x"]

    assert None in {validate(schema, value).holds for value in values}
    assert False not in {validate(schema, value).holds for value in values}


def test_known_failure_outweighs_unknown() -> None:
    """A keyword that is not checked does not hide one that fails."""
    assert validate({"contains": True, "minItems": 2}, [1]).holds is False


def test_local_references_resolve() -> None:
    """A reference with escapes and array indexes finds its place in the document."""
    schema = {"$ref": "#/$defs/a~1b%20c/anyOf/0", "$defs": {"a/b c": {"anyOf": [{"type": "string"}]}}}

    assert (validate(schema, "x").holds, validate(schema, 1).holds) == (True, False)


def test_fault_names_path_and_keyword() -> None:
    """The reason tells where in the answer and by which keyword it fails."""
    schema = {"properties": {"a": {"items": {"type": "integer"}}}}

    assert validate(schema, {"a": [1, "x"]}).fault == "$.a[1]: fails `type`"


def test_draft_seven_tuples() -> None:
    """An array of `items` checks by position, as draft 7 has it."""
    schema = {"items": [{"type": "string"}, {"type": "integer"}]}

    assert (validate(schema, ["a", 1]).holds, validate(schema, [1, 1]).holds) == (True, False)


_FAN: dict[str, Json] = {
    "$ref": "#/$defs/0",
    "$defs": {str(n): {"anyOf": [{"$ref": f"#/$defs/{n + 1}"}] * 4} for n in range(40)} | {"40": False},
}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (_FAN, 1),
        ({"pattern": "^(a+)+$"}, "a" * 200_000 + "b"),
        ({"pattern": "(?:x{900}){900}"}, "x"),
        ({"items": {"allOf": [{"type": "integer"}] * 1_000}}, [1] * 10_000),
        ({"uniqueItems": True}, [{"a": n} for n in range(20_000)]),
        ({"enum": [list(range(100))] * 1_000}, 1),
    ],
)
def test_hostile_schemas_are_bounded(schema: Json, value: Json) -> None:
    """Fans of references, regex bombs and huge products end soon, with or without a verdict."""
    started = time.process_time()
    validate(schema, value)

    assert time.process_time() - started < 2.0
