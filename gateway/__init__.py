"""The shell: sockets, clocks, disks, other people's libraries."""

from __future__ import annotations

import importlib
import sys


def _import_without(name: str, unwanted: str) -> None:
    """Import a library as if another one, which it would take in where it finds it, were not there."""
    known = sys.modules.get(unwanted)
    sys.modules[unwanted] = None  # type: ignore[assignment]  # the import system's own sign of absence
    try:
        importlib.import_module(name)
    finally:
        if known is None:
            del sys.modules[unwanted]
        else:
            sys.modules[unwanted] = known


_import_without("structlog", "rich")
"""It is for coloured tracebacks, which we never print: 3 MiB, a tenth of a start."""
