"""The fence round the pure part, read from the syntax tree. There is no exemption list, and none is to come."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WHY = (
    "a decision must follow from its arguments alone, so that it can be replayed a year later and tested "
    "with values; take the fact as an argument and let the shell fetch it"
)
PURE_FILES = (
    "errors exchange beginnings token_bound features headers failures explain reports budgets".split()
)
FORBIDDEN_MODULES = frozenset(
    """time random secrets os logging structlog asyncio socket pathlib subprocess aiohttp httpx sqlalchemy redis
    litellm""".split()
)
FORBIDDEN_CALLS = frozenset(("open", "print", "input", "exec", "eval", "__import__"))
FORBIDDEN_METHODS = frozenset(("now", "utcnow", "today", "open"))
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
HEAVY = ("litellm", "openai", "alembic", "dbos", "rich", "sqlalchemy.dialects.postgresql")


def sources(*folders: str) -> list[Path]:
    """Return every Python file below the given folders."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


PURE = [*sources("policies", "gateway/wire"), *(ROOT / "gateway" / f"{name}.py" for name in PURE_FILES)]
ALL = sources("gateway", "policies", "tools")


def name_of(path: Path) -> str:
    """Return a file's path from the root, as a test's name."""
    return path.relative_to(ROOT).as_posix()


def impurities(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the words of everything that reaches out of a function's arguments."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Import):
            yield from ((line, f"imports {a.name}") for a in node.names if is_forbidden(a.name))
        elif isinstance(node, ast.ImportFrom) and is_forbidden(node.module or ""):
            yield line, f"imports from {node.module}"
        elif isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith) or is_coroutine(node):
            yield line, "waits (async or await)"
        elif isinstance(node, ast.Call):
            yield from ((line, f"calls {called}") for called in forbidden_calls(node.func))


def is_coroutine(node: ast.AST) -> bool:
    """Tell whether a node defines a coroutine; a protocol's method (a docstring and `...`) declares one."""
    if not isinstance(node, ast.AsyncFunctionDef):
        return False
    constants = (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant) for s in node.body)
    return not (all(constants) and ast.unparse(node.body[-1]) == "...")


def is_forbidden(module: str) -> bool:
    """Tell whether a module is one of the world's."""
    return module.partition(".")[0] in FORBIDDEN_MODULES


def forbidden_calls(function: ast.expr) -> Iterator[str]:
    """Yield the name of a call that reads a clock, a file or the terminal."""
    if isinstance(function, ast.Name) and function.id in FORBIDDEN_CALLS:
        yield function.id
    elif isinstance(function, ast.Attribute) and function.attr in FORBIDDEN_METHODS:
        owner = ast.unparse(function.value).rpartition(".")[2]
        if owner in {"datetime", "date", "io"}:
            yield ast.unparse(function)


def long_functions(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the words of every function over the budget."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                yield node.lineno, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("path", PURE, ids=name_of)
def test_pure(path: Path) -> None:
    """The pure part knows no clock, chance, environment, file, log or wait."""
    found = [f"{name_of(path)}:{line} {what}" for line, what in impurities(ast.parse(path.read_bytes()))]

    assert not found, f"{'; '.join(found)}: {WHY}"


@pytest.mark.parametrize("path", sources("policies"), ids=name_of)
def test_layers(path: Path) -> None:
    """The deciding part imports nothing of the acting part."""
    found = [
        f"{name_of(path)}:{node.lineno}"
        for node in ast.walk(ast.parse(path.read_bytes()))
        if (isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "gateway")
        or (isinstance(node, ast.Import) and any(a.name.partition(".")[0] == "gateway" for a in node.names))
    ]

    assert not found, f"{found} import gateway: packs must be testable and replayable without a server"


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_sizes(path: Path) -> None:
    """A file can be read in one sitting, a function on one screen."""
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")

    assert lines <= MAX_FILE_LINES, f"{name_of(path)} has {lines} lines; split it by what it is asked"
    found = [f"{name_of(path)}:{line} {what}" for line, what in long_functions(ast.parse(text))]
    assert not found, f"{'; '.join(found)}; at most {MAX_FUNCTION_LINES}: give its steps names of their own"


@pytest.mark.parametrize(
    "code",
    [
        "import time",
        "import os.path",
        "from random import choice",
        "def f():\n    import logging",
        "async def f():\n    return 1",
        "async def f():\n    await g()",
        "open('x')",
        "print(1)",
        "from datetime import datetime\ndatetime.now(UTC)",
        "import datetime\ndatetime.date.today()",
        "datetime.utcnow()",
        "from pathlib import Path",
        "import io\nio.open('x')",
    ],
)
def test_fence_bites(code: str) -> None:
    """Every kind of impurity is seen, wherever it stands."""
    assert list(impurities(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "from datetime import datetime\ndatetime.fromtimestamp(x, UTC)",
        "import hashlib, zoneinfo",
        "snapshot.now",
        "self.open(x)",
        "import timeit_like",
        "class P(Protocol):\n    async def read(self) -> bytes:\n        'Read.'\n        ...",
    ],
)
def test_fence_lets_pass(code: str) -> None:
    """What depends on its arguments alone is let through."""
    assert not list(impurities(ast.parse(code)))


@pytest.mark.parametrize("package", ["policies", "gateway", "tools"])
def test_every_module_imports(package: str) -> None:
    """No module needs another to have been imported first, and none fails by itself."""
    found = pkgutil.walk_packages([str(ROOT / package)], f"{package}.")
    scripts = ("__main__", "migrations.env")  # run by Python and alembic, never imported
    names = [info.name for info in found if not info.name.endswith(scripts)]

    assert names
    for name in names:
        importlib.import_module(name)


def test_light_start() -> None:
    """Serving does not load the libraries that cost seconds; they are imported where they are used."""
    code = f"import sys, gateway.app; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(  # noqa: S603 - our own interpreter, no input
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert not done.stdout.split(), f"{done.stdout.strip()} loaded by `import gateway.app`"
