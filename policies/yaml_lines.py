"""YAML with line numbers: text in, a plain document and the line of every path out.

Packs and the gateway's own configuration are read through here, so that every complaint can name its
line. Only YAML's plain types are accepted; tags, duplicate keys and documents that nest or expand without
end are refused. `<<` merges as everywhere; dates and `12:30` stay text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

import msgspec
import yaml

from policies.yaml_faults import explain, nearest

__all__ = ["MAX_DEPTH", "MAX_NODES", "Document", "DocumentError", "convert", "nearest", "read"]

MAX_NODES = 200_000
MAX_DEPTH = 64
_T = TypeVar("_T")
_CORE = "tag:yaml.org,2002:"
_MERGE = f"{_CORE}merge"
_SCALARS = frozenset(f"{_CORE}{name}" for name in ("null", "bool", "int", "float", "str"))
_TOO_DEEP = f"nested deeper than {MAX_DEPTH}; flatten it"


class DocumentError(ValueError):
    """A document that cannot be used: `message` says why and what to do, `line` where (1-based)."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class Document(msgspec.Struct):
    """A parsed YAML text: its plain value and, by JSON path (`$.a[0].b`), where each part stands."""

    value: object
    lines: Mapping[str, int] = msgspec.field(default_factory=dict)

    def line(self, path: str) -> int | None:
        """Return the line of `path`, or of its nearest ancestor."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return None


def read(text: str) -> Document:
    """Parse `text`; raise DocumentError for anything but plain, finite, unambiguous YAML."""
    try:
        _check_depth(text)
        node = yaml.compose(text, Loader=_SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise DocumentError(f"not valid YAML: {_in_words(error)}", line) from None
    except yaml.reader.ReaderError as error:
        line = text.encode()[: error.position].count(b"\n") + 1
        raise DocumentError(f"not valid YAML: {error.reason}; remove the character", line) from None
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise DocumentError("not valid Unicode; save the file as UTF-8", line) from None
    if node is None:
        return Document({}, {"$": 1})
    reader = _Reader()
    return Document(reader.value(node, "$"), reader.lines)


def _in_words(error: yaml.MarkedYAMLError) -> str:
    problem = str(error.problem or error.context)
    return f"{error.context} {problem}" if problem.startswith("but ") else problem


def convert(document: Document, shape: type[_T]) -> _T:
    """Return the document as `shape`; raise DocumentError with the line and the nearest valid name."""
    try:
        return msgspec.convert(document.value, shape, strict=True)
    except msgspec.ValidationError as error:
        message, path = explain(str(error), document.value, shape)
        raise DocumentError(message, document.line(path)) from None


def _check_depth(text: str) -> None:
    """Refuse deep nesting before the composer, whose recursion would overflow the C stack."""
    depth = 0
    for event in yaml.parse(text, Loader=_SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise DocumentError(_TOO_DEEP, event.start_mark.line + 1 if event.start_mark else None)


class _SafeLoader(yaml.CSafeLoader):
    """The C loader, without implicit timestamps: dates stay text for the reader's own types."""


_SafeLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if tag != f"{_CORE}timestamp"]
    for first, pairs in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


class _Reader:
    """Turns nodes into plain values and remembers where each stood."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self._constructor = yaml.constructor.SafeConstructor()
        self._nodes = 0

    def value(self, node: yaml.Node, path: str, depth: int = 0) -> object:
        line = node.start_mark.line + 1
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise DocumentError(f"more than {MAX_NODES} values; split the file", line)
        if depth > MAX_DEPTH:
            raise DocumentError(_TOO_DEEP, line)
        self.lines.setdefault(path, line)
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_CORE}map":
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_CORE}seq":
            return [self.value(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(node.value)]
        return self._scalar(node, line)

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, object]:
        result: dict[str, object] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                continue
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag not in _SCALARS:
                raise DocumentError(f"`{path}` has a key that is not plain text; quote it", line)
            key = str(key_node.value)
            if key in result:
                raise DocumentError(f"`{path}.{key}` is given twice; keep one", line)
            self.lines.setdefault(f"{path}.{key}", line)
            result[key] = self.value(value_node, f"{path}.{key}", depth + 1)
        for merged in _merged(node):
            value = self.value(merged, path, depth + 1)
            if not isinstance(value, dict):
                raise DocumentError("`<<` takes a mapping or a list of them", merged.start_mark.line + 1)
            result = value | result
        return result

    def _scalar(self, node: yaml.Node, line: int) -> object:
        if node.tag not in _SCALARS or not isinstance(node, yaml.ScalarNode):
            raise DocumentError(f"tag `{node.tag}` is not supported; remove it", line)
        if node.tag in (f"{_CORE}int", f"{_CORE}float") and ":" in node.value:
            return node.value
        try:
            return self._constructor.construct_object(node)
        except (yaml.YAMLError, ValueError):
            message = f"`{str(node.value)[:80]}` is not a plain YAML value; quote it"
            raise DocumentError(message, line) from None


def _merged(node: yaml.MappingNode) -> Iterator[yaml.Node]:
    """Yield the mappings that `<<` takes in, the one that wins first."""
    for key_node, value_node in node.value:
        if key_node.tag == _MERGE:
            yield from value_node.value if isinstance(value_node, yaml.SequenceNode) else (value_node,)
