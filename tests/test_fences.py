"""The project's own fences run with its tests, so that one command checks everything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOLS = {
    "style": ["-m", "ruff", "check", "."],
    "format": ["-m", "ruff", "format", "--check", "."],
    "types": ["-m", "mypy"],
    "architecture": ["-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
    "documents": ["-m", "tools.docs", "--check"],
}


@pytest.mark.parametrize("tool", TOOLS)
def test_tree_passes(tool: str) -> None:
    """Style, types, layers and generated documents hold for the whole tree."""
    done = subprocess.run(  # noqa: S603 - our own tools, no input
        [sys.executable, *TOOLS[tool]], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
