from __future__ import annotations

import time

import pytest

from policies.escalation_triggers.structure import StructureSource, source_path
from policies.facts import Ask, Features


def measure(text: str, *evidence: str) -> dict[str, float]:
    """Return all counts of an ask by their short names."""
    signals = StructureSource().measure(Features(ask=Ask(text=text, evidence=evidence)))
    return {name.removeprefix("structure."): signal.value for name, signal in signals.items()}


@pytest.mark.parametrize(
    ("word", "path"),
    [
        ("app.py", "app.py"),
        ("src/app/Main.TSX", "src/app/Main.TSX"),
        ("`app.py`,", "app.py"),
        ("(app.py).", "app.py"),
        ("app.py.", "app.py"),
        ("./app.py", "./app.py"),
        ("@src/app.py", "src/app.py"),
        ("app.py:42", "app.py"),
        ("app.py:42:7:", "app.py"),
        ("test_app.py::test_it", "test_app.py"),
        ("__init__.py", "__init__.py"),
        ("[id].tsx", "id].tsx"),
        ("C:\\src\\app.cs", "C:\\src\\app.cs"),
        (".py", None),
        ("src/.py", None),
        ("https://example.com/app.py", None),
        ("example.com", None),
        ("a.m.", None),
        ("D.C.", None),
        ("Node.js", None),
        ("express.js,", None),
        ("src/node.js", "src/node.js"),
        ("e.g.", None),
        ("3.14", None),
        ("end.", None),
        ("...", None),
        ("", None),
    ],
)
def test_source_path(word: str, path: str | None) -> None:
    """A source file is told from abbreviations, products, numbers and links."""
    assert source_path(word) == path


def test_counts() -> None:
    """Words, files, folders and questions of the ask; lines, diffs and blocks of what came with it."""
    diff = "diff --git a b\n--- a/x.py\n+++ b/x.py\n@@\n--- a/y.py\n+++ b/y.py\n"

    assert measure("Why does src/a.py import lib/b.py? And src/a.py:3?", diff, "+++ b/z.py\nx", "one") == {
        "ask_words": 7.0,
        "files_named": 2.0,
        "folders_named": 2.0,
        "code_lines": 10.0,
        "diff_files": 3.0,
        "evidence_blocks": 3.0,
        "questions": 2.0,
    }


def test_spans() -> None:
    """Spans show the named files where they stand, also in the tail of a long ask."""
    text = "see a.py " + "x" * 40_000 + " and lib/b.go."
    signal = StructureSource().measure(Features(ask=Ask(text=text)))["structure.files_named"]

    assert [(text[s.start : s.end], s.label) for s in signal.spans] == [
        ("a.py", "file"),
        ("lib/b.go", "file"),
    ]


def test_names() -> None:
    """Every count is named, also for an empty ask."""
    source, empty = StructureSource(), Features(ask=Ask(text=""))

    assert set(source.measure(empty)) == set(source.names())
    assert not any(signal.value for signal in source.measure(empty).values())
    assert source.locate("structure.files_named", empty) == ()


@pytest.mark.parametrize("text", ["a.py " * 2_000_000, "a" * 10_000_000, "." * 10_000_000, "\n" * 10_000_000])
def test_bounded_work(text: str) -> None:
    """Ten megabytes take no longer than a page."""
    features = Features(ask=Ask(text=text, evidence=(text,) * 64))
    began = time.process_time()
    StructureSource().measure(features)

    assert time.process_time() - began < 0.25
