"""YAML with line numbers: text in, a plain document and the line of every path out.

Packs and the gateway's own configuration are read through here, so that every complaint can name its
line. Only YAML's plain types are accepted; tags, anchors that expand without end and duplicate keys are
refused.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
import yaml

MAX_NODES = 200_000
_T = TypeVar("_T")
_UNKNOWN_FIELD = re.compile(r"unknown field `(?P<name>[^`]*)`")
_AT_PATH = re.compile(r" - at `(?P<path>[^`]*)`$")


class DocumentError(ValueError):
    """A document that cannot be used: `message` says why and what to do, `line` where (1-based)."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(slots=True)
class Document:
    """A parsed YAML text: its plain value and, by JSON path (`$.a[0].b`), where each part stands."""

    value: object
    lines: Mapping[str, int] = field(default_factory=dict)

    def line(self, path: str) -> int | None:
        """Return the line of `path`, or of its nearest ancestor."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[: max(path.rfind("."), path.rfind("["))] if path != "$" else ""
        return None


def read(text: str) -> Document:
    """Parse `text`; raise DocumentError for anything but plain, finite, unambiguous YAML."""
    try:
        node = yaml.compose(text, Loader=_SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise DocumentError(f"not valid YAML: {error.problem or error.context}", line) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise DocumentError(f"not valid YAML: {error}") from None
    if node is None:
        return Document({})
    reader = _Reader()
    return Document(reader.value(node, "$"), reader.lines)


def convert(document: Document, shape: type[_T], *, path: str = "$") -> _T:
    """Return the document as `shape`; raise DocumentError with the line and the nearest valid name."""
    try:
        return msgspec.convert(document.value, shape, strict=True)
    except msgspec.ValidationError as error:
        message, place = _split_path(str(error))
        full = path + place[1:]
        raise _explain(document, message, full, shape) from None


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return `; did you mean `x`?` for the closest valid name, or nothing."""
    close = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.5)
    return f"; did you mean `{close[0]}`?" if close else ""


def _split_path(message: str) -> tuple[str, str]:
    found = _AT_PATH.search(message)
    return (message[: found.start()], found["path"]) if found else (message, "$")


def _explain(document: Document, message: str, path: str, shape: type) -> DocumentError:
    unknown = _UNKNOWN_FIELD.search(message)
    if unknown is None:
        return DocumentError(f"`{path}`: {message[:1].lower()}{message[1:]}", document.line(path))
    name = unknown["name"]
    hint = nearest(name, _field_names(shape))
    return DocumentError(f"`{path}` has no setting `{name}`{hint}", document.line(f"{path}.{name}"))


def _field_names(shape: object, seen: frozenset[object] = frozenset()) -> set[str]:
    """Collect the field names of a struct type and of every struct type inside it."""
    names: set[str] = set()
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct) and shape not in seen:
        for info in msgspec.structs.fields(shape):
            names.add(info.encode_name)
            names |= _field_names(info.type, seen | {shape})
    for inner in getattr(shape, "__args__", ()):
        names |= _field_names(inner, seen)
    return names


class _SafeLoader(yaml.CSafeLoader):
    """The C loader, without implicit timestamps: dates stay text for the reader's own types."""


_SafeLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if tag != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


class _Reader:
    """Turns nodes into plain values and remembers where each stood."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self._constructor = yaml.constructor.SafeConstructor()
        self._nodes = 0

    def value(self, node: yaml.Node, path: str) -> object:
        line = node.start_mark.line + 1
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise DocumentError(f"more than {MAX_NODES} values; split the file", line)
        self.lines.setdefault(path, line)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, f"{path}[{index}]") for index, item in enumerate(node.value)]
        return self._scalar(node, line)

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, object]:
        result: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in result:
                raise DocumentError(f"`{path}.{key}` is given twice; keep one", line)
            self.lines[f"{path}.{key}"] = line
            result[key] = self.value(value_node, f"{path}.{key}")
        return result

    def _scalar(self, node: yaml.Node, line: int) -> object:
        try:
            return self._constructor.construct_object(node)
        except (yaml.YAMLError, ValueError):
            raise DocumentError(
                f"`{str(node.value)[:80]}` is not a plain YAML value; quote it", line
            ) from None
