"""Where code is found: fences, pasted files, diffs."""

from __future__ import annotations

import pytest
from code_samples import DIFF

from policies.context_analysis import ContextReport, Rules, Snippet, analyze_code, snippets_in
from policies.context_analysis.diffs import safe_path


def test_diff_counts() -> None:
    """Each file of a diff has its path, hunks, lines and touched functions."""
    report = analyze_code([Snippet(text=DIFF, tag="diff")])
    changes = [(f.path, f.change.added, f.change.removed, f.change.hunks) for f in report.files if f.change]

    assert changes == [
        ("src/billing/invoice.py", 5, 2, 2),
        ("db/migrations/0007.sql", 2, 0, 1),
        ("web/old.js", 0, 2, 1),
    ]
    assert (report.diff_files, report.added, report.removed) == (3, 7, 4)


def test_diff_measures_new_side() -> None:
    """The hunks' new side is measured as a fragment; what a diff deletes altogether is unknown."""
    first, second, third = analyze_code([Snippet(text=DIFF)]).files

    assert (first.language, first.parsed, first.functions, first.cyclomatic_max) == (
        "python",
        "fragment",
        1,
        4,
    )
    assert first.change is not None
    assert first.change.touched == ("Invoice", "send")
    assert (second.language, third.parsed, third.functions) == ("sql", "unknown", None)


def test_constructs_in_added_lines_only(rules: Rules) -> None:
    """In a diff only added lines are held against it, by their line in the new file."""
    report = analyze_code([Snippet(text=DIFF)], rules=rules)
    found = {(c.rule, c.line) for file in report.files for c in file.constructs}

    assert found == {("runs-built-code", 16), ("tls-not-verified", 44), ("destructive-statement", 1)}


@pytest.mark.parametrize(
    "path", ["../../etc/passwd", "/etc/passwd", "C:\\x", "a/../../b", "a\x07b", "", "~/x", "x" * 301]
)
def test_hostile_paths_are_dropped(path: str) -> None:
    """A path that leaves its tree is no path; its code is measured all the same."""
    text = f"--- a/x\n+++ b/{path}\n@@ -0,0 +1 @@\n+import os\n"
    report = analyze_code([Snippet(text=text, tag="diff")])

    assert safe_path(path) is None
    assert [file.path for file in report.files] == [None]
    assert report.added == 1


@pytest.mark.parametrize(
    ("text", "files", "added"),
    [
        ("@@ -1 +1 @@\n-a\n+b\n", 1, 1),
        ("--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-a\n+b\n\\ No newline at end of file\n", 1, 1),
        ("--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,2 @@\n a\n-b\n+c\nwords after it\n", 1, 1),
        ("@@ -1,999999999 +1,999999999 @@\n+a\nno diff line\n+b\n", 1, 1),
        ("diff --git a/x.png b/x.png\nBinary files a/x.png and b/x.png differ\n", 1, 0),
        ("diff --git a/a.py b/b.py\nsimilarity index 100%\nrename from a.py\nrename to b.py\n", 1, 0),
        ("--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n--- looks like a header\n+++ does too\n", 1, 1),
        ("--- a/x.py\r\n+++ b/x.py\r\n@@ -1 +1 @@\r\n-a\r\n+b\r\n", 1, 1),
    ],
)
def test_odd_diffs(text: str, files: int, added: int) -> None:
    """Headers without hunks, hunks without headers and counts that lie are read as far as they go."""
    report = analyze_code([Snippet(text=text, tag="diff")])

    assert (report.diff_files, report.added) == (files, added)


def test_fenced_blocks_are_found() -> None:
    """Blocks keep tag and path; blocks of prose are no code."""
    text = "Fix\n```py title=app.py\nx = 1\n```\n~~~text\nwords\n~~~\n\n~~~ts:src/a.ts\nlet a\n~~~\nend\n```\nls\n"
    found = [(s.tag, s.path, s.text.strip()) for s in snippets_in(text)]

    assert found == [("py", "app.py", "x = 1"), ("ts", "src/a.ts", "let a"), (None, None, "ls")]


def test_prompt_words_are_no_code() -> None:
    """Only fences, diffs and pasted material count; a sentence does not."""
    assert snippets_in("Please import the class and return to function (now).") == ()
    assert [s.tag for s in snippets_in("Look:\n" + DIFF)] == ["diff"]


def test_pasted_code_is_found() -> None:
    """Pasted material is code when it is one language; a log is not."""
    code = "def f(self):\n    return self.x\n"

    assert [s.text for s in snippets_in("why?", evidence=[code, "12:00 it broke", "```js\na()\n```"])] == [
        code,
        "a()",
    ]


def test_nested_fences() -> None:
    """Five hundred fences inside one another are read once through."""
    text = "".join("`" * n + "\n" for n in range(503, 2, -1)) + "x = 1\n"

    assert len(snippets_in(text)) == 1


def test_many_fences_are_bounded() -> None:
    """Past 256 blocks no more are taken."""
    assert len(snippets_in("```py\nx = 1\n```\n" * 1_000)) == 256


def test_patch_file_is_a_diff() -> None:
    """A file given as a patch is read as one; a Python file that quotes a diff is not."""
    assert analyze_code({"fix.patch": DIFF}).diff_files == 3
    assert analyze_code({"test_x.py": "D = '''\n" + DIFF + "'''\n"}).diff_files == 0


def test_tagged_diff_without_hunks_is_text() -> None:
    """A block called diff that is none is measured as nothing rather than refused."""
    report: ContextReport = analyze_code([Snippet(text="no diff", tag="diff")])

    assert [file.parsed for file in report.files] == ["unknown"]


def test_huge_diff_is_read_in_part() -> None:
    """Past 500 files a diff is not read, and coverage says so."""
    one = "--- a/x.py\n+++ b/x.py\n@@ -0,0 +1 @@\n+x = 1\n"
    report = analyze_code([Snippet(text=one * 600, tag="diff")])

    assert (report.diff_files, report.added) == (500, 500)
    assert report.files[-1].parsed == "unknown"
    assert report.coverage is not None
    assert report.coverage < 0.6
