"""Why a document does not have the shape it should: the entry at fault, in words, with the remedy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from types import UnionType
from typing import Union, get_args, get_origin

import msgspec

_AT_PATH = re.compile(r" - at (?:`key` in )?`(?P<path>\$[^`]*)`$")
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+)\]|\[(?P<any>\.\.\.)\]")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>[^`]*)`")
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`")
_BAD_CHOICE = re.compile(r"Invalid enum value '(?P<value>.*)'", re.DOTALL)
_OUT_OF_BOUNDS = re.compile(r"Expected `(?P<wanted>str|int|float|array|object)` (?P<bound>.*)$", re.DOTALL)
_BAD_TYPE = re.compile(r"Expected `(?P<wanted>[^`]*)`, got `(?P<given>[^`]*)`$")
_TYPES = {
    "array": "a list",
    "object": "a mapping",
    "str": "text",
    "float": "a number",
    "int": "a whole number",
    "bool": "a boolean",
    "null": "nothing",
}
"""msgspec's names of types as a document's author knows them."""
_UNQUOTED = re.compile(r"Expected `str.*, got `(int|float|bool)`")

_Step = str | int | None
"""A key, an index, or None where msgspec says only "some key of this mapping"."""


def explain(fault: str, value: object, shape: type) -> tuple[str, str]:
    """Return msgspec's complaint in the document's own terms, and the path whose line shows it."""
    message, steps = _split(fault)
    is_key = " - at `key` in " in fault
    steps = _resolved(value, shape, steps)
    path = _shown(steps)
    shapes = list(_shapes_at(shape, steps))
    if found := _UNKNOWN.match(message):
        name, fields = found["name"], list(_field_names(shapes))
        return f"`{path}` has no setting `{name}`{nearest(name, fields)}", f"{path}.{name}"
    if found := _MISSING.match(message):
        return f"`{path}` needs `{found['name']}`; add it", path
    if found := _BAD_CHOICE.match(message):
        choices = ", ".join(f"`{choice}`" for s in shapes for choice in get_args(s))
        return f"`{path}`: `{found['value'][:80]}` is not one of {choices}", path
    if found := _BAD_TYPE.match(message):
        remedy = "; put it in quotes" if _UNQUOTED.match(message) else ""
        wanted = " or ".join(_TYPES.get(t, t) for t in found["wanted"].split(" | ") if t != "null")
        return f"`{path}` must be {wanted}, not {_TYPES.get(found['given'], found['given'])}{remedy}", path
    if found := _OUT_OF_BOUNDS.match(message):
        which = "a name in " if is_key else ""
        bound = found["bound"].replace("matching regex", "that matches")
        return f"{which}`{path}` must be {_TYPES[found['wanted']]} {bound}", path
    return f"`{path}`: {message[:1].lower()}{message[1:]}", path


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return `; did you mean `x`?` for the closest valid name, or nothing."""
    close = difflib.get_close_matches(name[:200], list(valid), n=1, cutoff=0.5)
    return f"; did you mean `{close[0]}`?" if close else ""


def _split(fault: str) -> tuple[str, tuple[_Step, ...]]:
    found = _AT_PATH.search(fault)
    if found is None:
        return fault, ()
    return fault[: found.start()], tuple(map(_step, _STEP.finditer(found["path"])))


def _step(found: re.Match[str]) -> _Step:
    if found["any"]:
        return None
    return int(found["index"]) if found["index"] else found["name"]


def _shown(steps: Sequence[_Step]) -> str:
    return "$" + "".join(f".{s}" if isinstance(s, str) else "[...]" if s is None else f"[{s}]" for s in steps)


def _resolved(value: object, shape: type, steps: tuple[_Step, ...]) -> tuple[_Step, ...]:
    """Name the key behind every `[...]`: the first one that fails the same way when it stands alone.

    msgspec leaves the keys out; a fault that no key shows by itself keeps its `[...]`.
    """
    known = steps
    while None in known:
        place = known.index(None)
        for key, item in _children(_at(value, known[:place])).items():
            alone = _with(value, known[:place], {key: item})
            if _fails_below(alone, shape, steps[: place + 1]):
                value, known = alone, (*known[:place], key, *known[place + 1 :])
                break
        else:
            break
    return known


def _fails_below(value: object, shape: type, steps: tuple[_Step, ...]) -> bool:
    try:
        msgspec.convert(value, shape, strict=True)
    except msgspec.ValidationError as error:
        return _split(str(error))[1][: len(steps)] == steps
    return False


def _at(value: object, steps: Sequence[_Step]) -> object:
    for step in steps:
        value = _children(value).get(step)
    return value


def _with(value: object, steps: Sequence[_Step], new: object) -> object:
    """Return a copy of `value` with `new` at `steps`."""
    if not steps:
        return new
    children = _children(value)
    children[steps[0]] = _with(children[steps[0]], steps[1:], new)
    return list(children.values()) if isinstance(value, list) else children


def _children(value: object) -> dict[_Step, object]:
    if isinstance(value, list):
        return dict(enumerate(value))
    return dict(value) if isinstance(value, dict) else {}


def _shapes_at(shape: object, steps: Sequence[_Step]) -> Iterator[object]:
    """Yield every type that a value at `steps` may have, unions taken apart."""
    if get_origin(shape) in {Union, UnionType}:
        for option in get_args(shape):
            yield from _shapes_at(option, steps)
    elif not steps:
        yield shape
    else:
        for inner in _inside(shape, steps[0]):
            yield from _shapes_at(inner, steps[1:])


def _inside(shape: object, step: _Step) -> Iterator[object]:
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        yield from (f.type for f in msgspec.structs.fields(shape) if f.encode_name == step)
    elif get_origin(shape) in {list, dict}:
        yield get_args(shape)[-1]


def _field_names(shapes: Iterable[object]) -> Iterator[str]:
    for shape in shapes:
        if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
            yield from (f.encode_name for f in msgspec.structs.fields(shape))
