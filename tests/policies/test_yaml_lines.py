from __future__ import annotations

import pytest

from policies.yaml_lines import MAX_NODES, DocumentError, read

LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", {}),
        ("# only a comment", {}),
        ("a: 1\nb: [1.5, true, null, text]", {"a": 1, "b": [1.5, True, None, "text"]}),
        ("since: 2025-07-28", {"since": "2025-07-28"}),
        ("at: 12:30", {"at": "12:30"}),
        ("1: one\nyes: two", {"1": "one", "yes": "two"}),
        ("\ufeffa: 1", {"a": 1}),
        ("a: &x {k: 1, l: 2}\nb: {<<: *x, k: 3}", {"a": {"k": 1, "l": 2}, "b": {"k": 3, "l": 2}}),
        ("{<<: [{k: 1}, {k: 2, l: 3}]}", {"k": 1, "l": 3}),
        ("a: !!str 5", {"a": "5"}),
        ("naïve: ünïcode", {"naïve": "ünïcode"}),
        ("just text", "just text"),
    ],
)
def test_plain_values(text: str, value: object) -> None:
    """YAML's plain types come out as they stand; dates and clock times stay text."""
    assert read(text).value == value


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a: 1\nb: 2\na: 3", 3, "`$.a` is given twice; keep one"),
        ("x:\n  a: 1\n  a: 2", 3, "`$.x.a` is given twice"),
        ("a: [1\n", 2, "not valid YAML"),
        ("a:\n\t- b", 2, "not valid YAML"),
        ("a: 1\n---\nb: 2", 2, "another document"),
        ("a: *nowhere", 1, "undefined alias"),
        ("a: 1\nb: \0", 2, "control characters are not allowed; remove the character"),
        ("a: 1\nb: \ud800", 2, "not valid Unicode; save the file as UTF-8"),
        ("a: !!python/object/apply:os.system [ls]", 1, "is not supported; remove it"),
        ("a: !mine {b: 1}", 1, "tag `!mine` is not supported; remove it"),
        ("a: !mine x", 1, "tag `!mine` is not supported"),
        ("a: !!set {b, c}", 1, "is not supported"),
        ("a: !!binary aGVsbG8=", 1, "is not supported"),
        ("a: !!timestamp 2020-01-01", 1, "is not supported"),
        ("a: 1\nb: !!int many", 2, "`many` is not a plain YAML value; quote it"),
        ("a: " + "9" * 5_000, 1, "is not a plain YAML value"),
        ("x: 1\n? [a, b]\n: 1", 2, "`$` has a key that is not plain text; quote it"),
        ("a:\n  <<: text", 2, "`<<` takes a mapping"),
        ("a: &x [*x]", 1, "nested deeper than 64"),
        ("\n" + "[" * 100_000, 2, "nested deeper than 64; flatten it"),
        ("- " * 100_000, 1, "nested deeper than 64"),
        ("{a: " * 400 + "1" + "}" * 400, 1, "nested deeper than 64"),
        (LAUGHS, 1, f"more than {MAX_NODES} values; split the file"),
    ],
)
def test_refused(text: str, line: int, problem: str) -> None:
    """Anything ambiguous, foreign or endless is refused with its line."""
    with pytest.raises(DocumentError) as error:
        read(text)

    assert problem in error.value.message
    assert error.value.line == line


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("$", 1),
        ("$.models", 1),
        ("$.models.zai/glm-4.5", 2),
        ("$.models.zai/glm-4.5.prices[1].input", 6),
        ("$.models.zai/glm-4.5.prices[1].none", 5),
        ("$.models.zai/glm-4.5.prices[9]", 3),
        ("$.models.other.deep.path", 1),
        ("nonsense", None),
    ],
)
def test_line_of_path(path: str, line: int | None) -> None:
    """A path has its own line, or its nearest ancestor's."""
    text = 'models:\n  zai/glm-4.5:\n    prices:\n      - {input: "1"}\n      - since: x\n        input: "2"'

    assert read(text).line(path) == line


def test_merged_lines() -> None:
    """A merged setting stands where it was written."""
    document = read("a: &x\n  k: 1\n  l: 2\nb:\n  <<: *x\n  k: 3")

    assert (document.line("$.b.k"), document.line("$.b.l")) == (6, 3)
