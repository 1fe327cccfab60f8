"""Measures of whole files, by language."""

from __future__ import annotations

import subprocess
import sys

import pytest
from code_samples import SAMPLES

from policies.context_analysis import FileReport, Snippet, analyze_code
from policies.context_analysis.languages import detect
from policies.context_analysis.report import Parsed


def only(text: str, *, tag: str | None = None, path: str | None = None) -> FileReport:
    """Return the report of one piece of code."""
    return analyze_code([Snippet(text=text, tag=tag, path=path)]).files[0]


@pytest.mark.parametrize("language", SAMPLES)
def test_measures_by_language(language: str) -> None:
    """Functions, classes, complexity and imports are those a reader counts."""
    sample = SAMPLES[language]
    report = only(sample.text, tag=language)

    assert (report.functions, report.classes) == (sample.functions, sample.classes)
    assert (report.cyclomatic_max, report.dependencies) == (sample.cyclomatic_max, sample.dependencies)
    assert report.parsed == "whole"


@pytest.mark.parametrize("language", SAMPLES)
def test_language_is_told_by_look(language: str) -> None:
    """An untagged block of everyday code gives its language away."""
    found = detect(SAMPLES[language].text)

    assert found is not None
    assert found.name == language


@pytest.mark.parametrize(
    ("path", "tag", "text", "language"),
    [
        ("app.py", None, "x", "python"),
        ("web/App.tsx", None, "x", "tsx"),
        ("Dockerfile.prod", None, "x", "dockerfile"),
        (None, "golang", "x", "go"),
        ("app.py", "ruby", "x", "ruby"),
        (None, None, "#!/usr/bin/env python3\nx", "python"),
        (None, None, "#!/opt/unheard-of\nx", None),
        (None, "klingon", "no code at all", None),
        (None, None, "", None),
    ],
)
def test_language_by_name(path: str | None, tag: str | None, text: str, language: str | None) -> None:
    """The fence's tag wins over the path, the path over the shebang, and unsure stays unknown."""
    found = detect(text, path=path, tag=tag)

    assert (found.name if found else None) == language


@pytest.mark.parametrize(
    ("text", "tag", "parsed"),
    [
        ("def f(x):\n    return x", "python", "whole"),
        ("    if x:\n        return x", "python", "whole"),
        ("def f(x:\n    return", "python", "fragment"),
        ("function f() { if (a) {", "js", "fragment"),
        ("return a; }", "js", "fragment"),
        ("let s = 'it never ends", "js", "fragment"),
        ("/* never closed", "c", "fragment"),
        ("(" * 100, "c", "unknown"),
        ("a ? " * 300, "java", "unknown"),
        ("word word word", None, "unknown"),
        ("\x00\x01binary", "python", "unknown"),
    ],
)
def test_how_much_is_parsed(text: str, tag: str | None, parsed: Parsed) -> None:
    """A whole file, a fragment and the unknown are told apart."""
    assert only(text, tag=tag).parsed == parsed


def test_fragment_branches_count() -> None:
    """Code outside any function is measured too: a fragment is often a function's inside."""
    report = only("if a:\n    b()\nfor c in d:\n    e()\n", tag="python")

    assert (report.functions, report.cyclomatic_max, report.cyclomatic_mean) == (0, 3, 3.0)


def test_unknown_is_never_nought() -> None:
    """What was not measured is None in the file and in the totals."""
    report = analyze_code([Snippet(text="word word word")])

    assert (report.functions, report.cyclomatic_max, report.dependencies, report.cohesion_min) == (None,) * 4
    assert (report.coverage, analyze_code([]).coverage) == (0.0, None)


def test_comments_and_strings_do_not_branch() -> None:
    """Words in comments, docstrings and strings are no code, and cannot steer the analyser."""
    plain = "def f():\n    return 1\n"
    noisy = 'def f():\n    """if for while\n    and or\n    """\n    # lizard forgives if\n    return "if" and 1\n'

    assert only(plain, tag="python").cyclomatic_max == 1
    assert only(noisy, tag="python").cyclomatic_max == 2
    assert only("#lizard forgive global\n" + plain, tag="python").functions == 1


def test_code_lines_leave_out_comments() -> None:
    """Blank lines and comments are lines, not code lines."""
    report = only("// one\n\nint a; // two\n/* three\nfour */\nint b;\n", tag="c")

    assert (report.lines, report.code_lines) == (7, 2)


@pytest.mark.parametrize(
    ("body", "cohesion"),
    [
        ("def a(self): return self.x\n def b(self): return self.x\n def c(self): return self.b()", 1.0),
        ("def a(self): return self.x\n def b(self): return self.y\n def c(self): return self.z", 0.0),
        ("def a(self): return self.x\n def b(self): return self.x\n def c(self): return self.z", 0.5),
        (
            "def __init__(self): self.x = self.y = 1\n def a(self): self.x\n def b(self): self.y\n def c(self): 1",
            0.0,
        ),
        ("def a(self): return self.x\n def b(self): return self.y", None),
        ("@staticmethod\n def a(x): return 1\n def b(): return 2\n def c(self): return 3", None),
        ("x = 1", None),
    ],
)
def test_cohesion_of_classes(body: str, cohesion: float | None) -> None:
    """Methods that share attributes or call each other belong together; constructors link nothing."""
    assert only(f"class A:\n {body}\n", tag="python").cohesion == cohesion


def test_coupling_among_files() -> None:
    """Imports of given files count for those files, all others as dependencies on the outside."""
    report = analyze_code(
        {
            "src/app/billing/__init__.py": "from . import invoice\n",
            "src/app/billing/invoice.py": "import decimal\nfrom app.core import money\n",
            "src/app/core.py": "import os\nimport sys\n",
            "web/main.ts": "import {a} from './lib/a';\nimport b from 'react';\nimport '../web/lib/a';\n",
            "web/lib/a.ts": "export const a = 1;\n",
        }
    )
    coupling = [(file.efferent, file.afferent) for file in report.files]

    assert coupling == [(0, 0), (1, 1), (2, 1), (1, 0), (0, 1)]
    assert report.coupling_max == 2


def test_coupling_needs_paths() -> None:
    """A single file, or one without a path, has no known afferent coupling."""
    assert analyze_code({"a.py": "import os"}).files[0].afferent is None
    assert only("import os", tag="python").efferent == 1


def test_totals_add_up() -> None:
    """Totals are over the files that could be measured; coverage tells how many bytes those are."""
    report = analyze_code(
        {"a.py": "def f():\n    if x: pass\n", "b.py": "def g(): pass\n", "c.unheard": "word " * 8}
    )

    assert (report.functions, report.cyclomatic_max, report.cyclomatic_mean) == (2, 2, 1.5)
    assert report.coverage == pytest.approx(38 / 78)
    assert report.languages == ("python",)


def test_importing_costs_no_analyser() -> None:
    """The analyser is loaded on first use, and leaves `sys.path` as it was."""
    script = (
        "import sys; from policies.context_analysis import analyze_code; assert 'lizard' not in sys.modules;"
        "before = list(sys.path); analyze_code({'a.py': 'x'}); assert 'lizard' in sys.modules;"
        "assert sys.path == before"
    )

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0  # noqa: S603 - our own script
