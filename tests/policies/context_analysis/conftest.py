"""The shipped rules, compiled once."""

from __future__ import annotations

from pathlib import Path

import pytest

import policies
from policies.context_analysis import Rules, compile_rules

IMPACT = Path(policies.__file__).parent / "packs" / "impact.yaml"


@pytest.fixture(scope="session")
def rules() -> Rules:
    """Return the rules of the shipped file."""
    return compile_rules(IMPACT.read_text())
