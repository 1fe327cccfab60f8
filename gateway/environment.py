"""`GATEWAY_*` variables laid over the values of a file."""

from __future__ import annotations

from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

import msgspec

from gateway.errors import ConfigError
from gateway.setting_values import SecretStr
from gateway.settings import Settings

PREFIX = "GATEWAY_"
_WORDS = {
    **dict.fromkeys(("yes", "on", "y", "t", "true"), "true"),
    **dict.fromkeys(("no", "off", "n", "f", "false"), "false"),
}


def overlaid(values: Mapping[str, object], environment: Mapping[str, str]) -> dict[str, object]:
    """Return `values` with the settings that variables name in their place; raise ConfigError for bad JSON.

    `__` leads into sections; sections, lists and mappings are written as JSON. Variables that begin with no
    section or setting are someone else's.
    """
    result: object = dict(values)
    named = {name: name[len(PREFIX) :].lower() for name in environment if name.upper().startswith(PREFIX)}
    for name in sorted(named, key=lambda name: named[name].count("__")):  # the part wins over the whole
        steps = named[name].split("__")
        if steps[0] in Settings.__struct_fields__:
            try:
                result = _laid(result, Settings, steps, environment[name])
            except msgspec.DecodeError:
                raise ConfigError(f"environment variable `{name}` is not valid JSON; correct it") from None
    return dict(_mapping(result))


def _laid(value: object, shape: object, steps: list[str], text: str) -> object:
    """Return `value` with what `text` says at `steps`."""
    if not steps:
        return _merged(value, _read(text, shape))
    known, step = _mapping(value), steps[0]
    return {**known, step: _laid(known.get(step), _inside(shape, step), steps[1:], text)}


def _read(text: str, shape: object) -> object:
    """Return the value a variable stands for where one of `shape` is wanted."""
    if get_origin(shape) in {list, dict} or (isinstance(shape, type) and issubclass(shape, msgspec.Struct)):
        return msgspec.json.decode(text)
    if shape is str or shape is SecretStr:
        return text
    return _WORDS.get(text.strip().lower(), text) if shape is bool else text.strip()


def _inside(shape: object, step: str) -> object:
    """Return the type of what stands at `step` of `shape`, `object` where nothing may stand."""
    if get_origin(shape) is dict:
        return get_args(shape)[1]
    if not (isinstance(shape, type) and issubclass(shape, msgspec.Struct)):
        return object
    types = {field.name: field.type for field in msgspec.structs.fields(shape)}
    return _bare(types.get(step, object))


def _bare(shape: object) -> object:
    """Return a type without what is said about it, and without None."""
    if get_origin(shape) is Annotated:
        return _bare(get_args(shape)[0])
    if get_origin(shape) in {Union, UnionType}:
        return _bare(next(option for option in get_args(shape) if option is not type(None)))
    return shape


def _merged(old: object, new: object) -> object:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}
