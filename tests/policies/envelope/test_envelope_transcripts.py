"""Every transcript of `envelopes.test.yaml` reads as it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.envelope import Reading
from policies.facts import Turn
from policies.yaml_lines import read as read_yaml

_PACKS = Path(__file__).parents[3] / "policies" / "packs"
_FILE = read_yaml((_PACKS / "envelopes.test.yaml").read_text(encoding="utf-8")).value
_WRAPPERS = [pytest.param(w, id=f"{w['client']}: {w['name']}") for w in _FILE["wrappers"]]
_CASES = [pytest.param(case, id=case["name"]) for case in _FILE["cases"]]
_ASKS = (
    "Fix the race condition in the session cache",
    "  two\n\nparagraphs, with trailing space  ",
    "Why?\n```python\nx = {'<task>': 1}\n```\nPlease explain.",
    "It fails:\n\nTraceback (most recent call last):\n  File \"a.py\", line 1, in f\n    g()\nKeyError: 'x'",
    "- first do this\n- then that\n\n1. and then\n2. this",
    "```\nonly code\n```",
    "дай план миграции базы данных 🚀",
    "a <b> & </b> c",
)
_WORD = st.text(st.characters(codec="utf-8", exclude_characters="<>`~\0"), min_size=2, max_size=12)
_PROSE = st.lists(_WORD, min_size=4, max_size=30).map(lambda words: " ".join(("Explain", *words)))
"""The first word is none of consent: a person who types `1, y, y, y` means the plan before."""


def transcript(entries: Sequence[Mapping[str, object]], ask: str = "") -> tuple[Turn, ...]:
    """Return the turns of a test file's transcript with `{ask}` filled in."""
    return tuple(
        Turn(
            role=entry["role"],
            parts=tuple(part.replace("{ask}", ask) for part in entry["parts"]),
            tool_calls=tuple(entry.get("tool_calls", ())),
            tool_arguments_broken=bool(entry.get("broken")),
            tool_failed=bool(entry.get("failed")),
        )
        for entry in entries
    )


@pytest.mark.parametrize("wrapper", _WRAPPERS)
@pytest.mark.parametrize("ask", _ASKS)
def test_wrapping_changes_nothing(
    read: Callable[..., Reading], wrapper: Mapping[str, object], ask: str
) -> None:
    """An ask reads the same bare and in every client's envelope."""
    bare = read(transcript([{"role": "user", "parts": ["{ask}"]}], ask)).ask
    wrapped = read(transcript(wrapper["turns"], ask), system=wrapper.get("system", "")).ask
    assert (wrapped.text.strip(), wrapped.source) == (bare.text.strip(), "user")
    assert wrapped.client == wrapper["client"]
    assert set(bare.evidence) <= set(wrapped.evidence)


@settings(max_examples=60, deadline=None)
@given(ask=_PROSE)
def test_any_prose_survives_wrapping(read: Callable[..., Reading], ask: str) -> None:
    """Whatever a person types in prose comes out of every envelope as it came out bare."""
    bare = read(transcript([{"role": "user", "parts": ["{ask}"]}], ask)).ask.text.strip()
    for wrapper in _FILE["wrappers"]:
        turns = transcript(wrapper["turns"], ask)
        assert read(turns, system=wrapper.get("system", "")).ask.text.strip() == bare


@pytest.mark.parametrize("case", _CASES)
def test_case_reads_as_written(read: Callable[..., Reading], case: Mapping[str, object]) -> None:
    """Ask, source, client, housekeeping, evidence and counts are what the file says."""
    turns = transcript(case["turns"])
    reading = read(turns, tools=case.get("tools", True), system=case.get("system", ""))
    expected = dict(case["expect"])
    conversation = expected.pop("conversation", {})
    evidence = "\n".join(reading.ask.evidence)
    assert all(block in evidence for block in expected.pop("evidence", ()))
    assert expected.pop("has", "") in reading.ask.text
    if expected.pop("loose_text", False):
        assert reading.ask.text.split() == expected.pop("text").split()
    assert {name: getattr(reading.ask, name) for name in expected} == expected
    assert {name: getattr(reading.conversation, name) for name in conversation} == conversation
