"""The shipped envelopes and their transcripts, compiled once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from policies.envelope import Envelopes, Reading
from policies.facts import Turn
from policies.yaml_lines import read as read_yaml

PACKS = Path(__file__).parents[3] / "policies" / "packs"


@pytest.fixture(scope="session")
def document() -> object:
    """The parsed `envelopes.yaml`."""
    return read_yaml((PACKS / "envelopes.yaml").read_text(encoding="utf-8")).value


@pytest.fixture(scope="session")
def envelopes(document: object) -> Envelopes:
    """The shipped rules, compiled."""
    return Envelopes.compile(document)


@pytest.fixture(scope="session")
def read(envelopes: Envelopes) -> Callable[..., Reading]:
    """Read a transcript given oldest turn first."""

    def read_turns(turns: Sequence[Turn], *, tools: bool = True, system: str = "") -> Reading:
        newest_first = iter(tuple(reversed(turns)))
        return envelopes.read(newest_first, message_count=len(turns), has_tools=tools, system_head=system)

    return read_turns
