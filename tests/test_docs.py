from __future__ import annotations

from pathlib import Path

from tools.docs import stale

ROOT = Path(__file__).resolve().parent.parent


def test_generated_documents_are_current() -> None:
    """Every setting, error, endpoint and metric stands in the documents made from code."""
    assert stale() == []


def test_every_document_is_linked() -> None:
    """The README leads to every page of docs/."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    missing = [page.name for page in (ROOT / "docs").glob("*.md") if f"docs/{page.name}" not in readme]

    assert missing == []
