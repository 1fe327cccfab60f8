"""The shell: sockets, clocks, disks, other people's libraries."""

from __future__ import annotations

import importlib
import sys


def _import_without(name: str, *unwanted: str) -> None:
    """Import a library as if others, which it would take in where it finds them, were not there."""
    known = {other: sys.modules[other] for other in unwanted if other in sys.modules}
    absent: dict[str, None] = dict.fromkeys(unwanted)  # the import system's own sign of absence
    sys.modules.update(absent)  # type: ignore[arg-type]
    try:
        importlib.import_module(name)
    finally:
        for other in unwanted:
            del sys.modules[other]
        sys.modules.update(known)


_import_without("structlog", "rich", "colorama")
"""They are for coloured tracebacks, which we never print, and for Windows: 3 MiB, a tenth of a start."""
