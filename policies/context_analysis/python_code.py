"""Python read by its own grammar: imports, classes and how well each class hangs together."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator

import msgspec

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


class PythonFacts(msgspec.Struct, frozen=True):
    """What the tree of a Python text tells."""

    imports: tuple[str, ...]
    """Modules in order of appearance, relative ones with their dots."""
    functions: int
    """Functions and methods, inner ones included."""
    cohesion: float | None
    """Mean over classes of 1 - (LCOM4 - 1) / (methods - 1); None without a class of three methods."""


def read_facts(tree: ast.Module) -> PythonFacts:
    """Return the facts of a tree in one walk."""
    modules: dict[str, None] = {}
    functions = 0
    classes: list[float] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            functions += 1
        elif isinstance(node, ast.ClassDef):
            classes.extend(_class_cohesion(node))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            modules.update(dict.fromkeys(_modules(node)))
    return PythonFacts(tuple(modules), functions, sum(classes) / len(classes) if classes else None)


def _modules(node: ast.Import | ast.ImportFrom) -> list[str]:
    names = [alias.name for alias in node.names]
    if isinstance(node, ast.Import):
        return names
    dots = "." * node.level
    return [dots + name for name in ([node.module] if node.module else names)]


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
