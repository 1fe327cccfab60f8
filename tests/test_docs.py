from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from tools.docs import stale

ROOT = Path(__file__).resolve().parent.parent
PACKS = ROOT / "policies" / "packs"
SCHEMA = Draft202012Validator(json.loads((PACKS / "schema.json").read_text(encoding="utf-8")))


def test_generated_documents_are_current() -> None:
    """Every setting, error, endpoint and metric stands in the documents made from code."""
    assert stale() == []


def test_every_document_is_linked() -> None:
    """The README leads to every page of docs/."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    missing = [page.name for page in (ROOT / "docs").glob("*.md") if f"docs/{page.name}" not in readme]

    assert missing == []


def test_known_bugs_have_their_tests() -> None:
    """Every test the table of known bugs names is there."""
    page = (ROOT / "docs" / "known-bugs.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)

    assert len(named) == 19
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["default", "frugal", "strict"])
def test_packs_name_their_schema(name: str) -> None:
    """Editors find the schema of every shipped pack, and the pack keeps to it."""
    text = (PACKS / f"{name}.yaml").read_text(encoding="utf-8")

    assert text.startswith("# yaml-language-server: $schema=schema.json\n")
    assert list(SCHEMA.iter_errors(yaml.safe_load(text))) == []


@pytest.mark.parametrize(
    "fault",
    [{"triger": []}, {"default_tier": "best"}, {"answer_checks": {"enabled": ["x"]}}, {"triggers": [{}]}],
)
def test_schema_refuses(fault: dict[str, object]) -> None:
    """What the gateway would refuse by its shape, an editor underlines."""
    assert not SCHEMA.is_valid({"pack": "mine", **fault})
