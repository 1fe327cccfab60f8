"""The analysis is total and bounded, whatever it is given."""

from __future__ import annotations

import time

import pytest
from code_samples import DIFF, SAMPLES
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.context_analysis import Rules, Snippet, analyze_code, assess_risk, snippets_in

_TAGS = st.sampled_from([*SAMPLES, "diff", "tsx", "scala", "lua", "css", "toml", None])
_PIECES = st.sampled_from(
    ['"""', "'", '"', "`", "${", "/*", "*/", "//", "#", "\n", "\\", "{", "}", "(", ")", "<", "?", ">", "def f(", "class A", "if x:",
     "\0", "\ud800", "é", "\u2028", "\t", " ", "@@ -1 +1 @@\n", "+a\n", "-b\n", "+++ b/x.py\n", "--- a/x\n", "diff --git a/x b/y\n",
     "import ", "end\n", "```\n", "case 1:", "=>", "eval(", "f'{"]
)  # fmt: skip
_TEXTS = st.one_of(st.text(max_size=200), st.lists(_PIECES, max_size=60).map("".join))


@settings(max_examples=200, deadline=None)
@given(_TEXTS, _TAGS)
def test_analysis_is_total(text: str, tag: str | None) -> None:
    """Any text in any language gives a report, and the same one twice."""
    sources = [Snippet(text=text, tag=tag), *snippets_in(text)]
    report = analyze_code(sources)

    assert report == analyze_code(sources)
    assert report.coverage is None or 0.0 <= report.coverage <= 1.0


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(SAMPLES)), st.integers(0, 400), st.integers(0, 400), _PIECES)
def test_broken_code_is_total(language: str, start: int, end: int, piece: str) -> None:
    """Real code with a stretch cut out and rubbish put in is measured or unknown, never an error."""
    text = SAMPLES[language].text
    (file,) = analyze_code([Snippet(text=text[:start] + piece + text[end:], tag=language)]).files

    assert file.language == language


_HOSTILE = {
    "one endless line": "x" * 10_000_000,
    "endless code line": "if (a) { b(); } " * 600_000,
    "lines without end": "if (a) { b(); }\n" * 600_000,
    "noughts": "\0" * 1_000_000,
    "open comments": "/*\n" * 100_000,
    "open strings": '"\\\n' * 100_000,
    "deep brackets": "{\n" * 100_000,
    "question marks": "<?\n" * 100_000,
    "classes in classes": "class a{\n" * 100_000,
    "functions in functions": "function f(){\n" * 100_000,
    "open templates": "`${\n" * 100_000,
    "surrogates": "\ud800\n" * 100_000,
    "hunks": "@@ -1 +1 @@\n-a\n+b\n" * 100_000,
    "files": "--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-a\n+b\n" * 50_000,
    "headings": "@@ -1 +1 @@ " + "(" * 100_000 + "\n",
}


@pytest.mark.parametrize("tag", ["python", "js", None])
@pytest.mark.parametrize("name", _HOSTILE)
def test_hostile_code_is_bounded(name: str, tag: str | None, rules: Rules) -> None:
    """Megabytes of hostile code take a bounded time of processing."""
    text = _HOSTILE[name]
    started = time.process_time()
    report = analyze_code([Snippet(text=text, tag=tag), *snippets_in(text)], rules=rules)
    assess_risk(rules, report)

    assert time.process_time() - started < 8.0


def test_limit_is_kept() -> None:
    """Past the limit files are unknown and coverage says so; a cut file is a fragment."""
    sources = {f"f{n}.py": "x = 1\n" * 100 for n in range(4)}
    report = analyze_code(sources, limit_bytes=900)

    assert [file.parsed for file in report.files] == ["whole", "fragment", "unknown", "unknown"]
    assert report.coverage == pytest.approx(900 / 2400, abs=0.01)


def test_large_file_is_cut_at_a_line() -> None:
    """No more than 64 KiB of one file is read."""
    (file,) = analyze_code({"a.py": "call_something_long(argument)\n" * 100_000}).files

    assert (file.parsed, file.lines, file.code_lines) == ("fragment", 100_001, 2_184)


def test_endless_lines_are_left_out() -> None:
    """A minified line is not measured; the written code beside it is."""
    report = analyze_code({"a.js": "function f() {}\n" + "a();" * 1_000 + "\nfunction g() {}\n"})

    assert (report.files[0].parsed, report.functions) == ("fragment", 2)
    assert report.coverage == pytest.approx(32 / 4033, abs=0.01)


def test_many_files_are_bounded() -> None:
    """A thousand files are reported at most."""
    assert len(analyze_code({f"f{n}.py": "x" for n in range(3_000)}).files) == 1_000


def test_sources_are_not_changed() -> None:
    """The same diff gives the same report however often it is read."""
    sources = {"a.diff": DIFF}

    assert analyze_code(sources) == analyze_code(sources)
    assert sources == {"a.diff": DIFF}
