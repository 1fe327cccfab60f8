"""Python read by its own grammar: imports, classes and how well each class hangs together."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator

_MIN_METHODS = 3
"""Of two methods nobody can tell whether they belong together."""
_MAX_METHODS = 200
_ESCAPE = re.compile(r"\\(?P<kept>[\\\n\r'\"N])|\\")


def parse(text: str) -> ast.Module | None:
    """Return the tree of whole or evenly indented Python; None for anything else. Never warns or runs.

    Backslashes are doubled first, so that an unknown escape in a string is no matter of warning filters.
    """
    quiet = _ESCAPE.sub(lambda escape: escape[0] if escape["kept"] else "\\\\", text)
    for source in (quiet, textwrap.dedent(quiet)):
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None


def imports(tree: ast.Module) -> tuple[str, ...]:
    """Return the modules a tree imports, relative ones with their dots, in order of appearance."""
    found: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(dict.fromkeys(alias.name for alias in node.names))
        elif isinstance(node, ast.ImportFrom):
            dots = "." * node.level
            found.update({dots + name: None for name in ([node.module] if node.module else _names(node))})
    return tuple(found)


def count_functions(tree: ast.Module) -> int:
    """Return how many functions and methods are defined, inner ones included."""
    return sum(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in ast.walk(tree))


def cohesion(tree: ast.Module) -> float | None:
    """Return the mean over classes of 1 - (LCOM4 - 1) / (methods - 1), if any."""
    values = [
        value for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for value in _class_cohesion(node)
    ]
    return sum(values) / len(values) if values else None


def _names(node: ast.ImportFrom) -> list[str]:
    return [alias.name for alias in node.names]


def _class_cohesion(node: ast.ClassDef) -> Iterator[float]:
    """Count the groups of methods linked by a shared attribute or a call; the constructor links nothing."""
    methods = [m for m in node.body if isinstance(m, ast.FunctionDef | ast.AsyncFunctionDef) and _is_bound(m)]
    if not _MIN_METHODS <= len(methods) <= _MAX_METHODS:
        return
    group = {m.name: m.name for m in methods}
    owner: dict[str, str] = {}
    for method in methods:
        for attribute in _own_attributes(method):
            other = attribute if attribute in group else owner.setdefault(attribute, method.name)
            group[_root(group, method.name)] = _root(group, other)
    groups = len({_root(group, name) for name in group})
    yield 1.0 - (groups - 1) / (len(group) - 1) if len(group) > 1 else 1.0


def _is_bound(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = {d.id for d in method.decorator_list if isinstance(d, ast.Name)}
    has_self = bool(method.args.posonlyargs or method.args.args)
    return (
        has_self
        and method.name not in {"__init__", "__new__"}
        and not names & {"staticmethod", "classmethod"}
    )


def _own_attributes(method: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    this = (*method.args.posonlyargs, *method.args.args)[0].arg
    for node in ast.walk(method):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == this:
            yield node.attr


def _root(group: dict[str, str], name: str) -> str:
    while group[name] != name:
        group[name] = group[group[name]]
        name = group[name]
    return name
