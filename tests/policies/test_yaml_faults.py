from __future__ import annotations

from typing import Literal

import msgspec
import pytest

from policies.yaml_faults import explain
from policies.yaml_lines import DocumentError, convert, read


class Leaf(msgspec.Struct, forbid_unknown_fields=True):
    """What hangs on a tree."""

    size: int
    colour: Literal["red", "green"] = "red"
    name: str = ""
    marks: dict[str, dict[str, int]] = {}


class Tree(msgspec.Struct, forbid_unknown_fields=True):
    """Structs in every container."""

    leaves: dict[str, Leaf] = {}
    rows: list[str | Leaf] = []
    spare: Leaf | None = None
    sizes: int = 0


TEXT = """\
leaves:
  a.b:
    size: 1
  c/d:
    size: 2
    marks:
      x: {k: 1}
      y: {k: 2, l: 3}
rows:
  - plain
  - size: 4
spare: {size: 5}
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("size: 2", "size: two", 5, "`$.leaves.c/d.size` must be a whole number, not text"),
        ("l: 3", "l: x", 8, "`$.leaves.c/d.marks.y.l` must be a whole number, not text"),
        ("    size: 1", "    sise: 1", 3, "`$.leaves.a.b` has no setting `sise`; did you mean `size`?"),
        ("    size: 2\n", "", 4, "`$.leaves.c/d` needs `size`; add it"),
        ("- plain", "- 5", 10, "`$.rows[0]` must be text or a mapping, not a whole number; put it in quotes"),
        (
            "size: 4",
            "size: 4\n    colour: blue",
            12,
            "`$.rows[1].colour`: `blue` is not one of `red`, `green`",
        ),
        (
            "{size: 5}",
            "{size: 5, name: no}",
            12,
            "`$.spare.name` must be text, not a boolean; put it in quotes",
        ),
        ("{size: 5}", "{size: 5, sizes: 1}", 12, "`$.spare` has no setting `sizes`; did you mean `size`?"),
        ("spare:", "leafs: {}\nspare:", 12, "`$` has no setting `leafs`; did you mean `leaves`?"),
        ("spare:", "qqq: {}\nspare:", 12, "`$` has no setting `qqq`"),
        ("{size: 5}", "[]", 12, "`$.spare` must be a mapping, not a list"),
    ],
)
def test_fault_in_words(old: str, new: str, line: int, message: str) -> None:
    """The complaint names the very entry, its line and the remedy, also inside mappings of structs."""
    assert old in TEXT
    with pytest.raises(DocumentError) as error:
        convert(read(TEXT.replace(old, new, 1)), Tree)

    assert (error.value.message, error.value.line) == (message, line)


def test_fits() -> None:
    """A document of the right shape comes out typed."""
    tree = convert(read(TEXT), Tree)

    assert tree.leaves["c/d"].marks == {"x": {"k": 1}, "y": {"k": 2, "l": 3}}
    assert tree.rows == ["plain", Leaf(size=4)]


def test_top_level() -> None:
    """A document that is no mapping at all is told so."""
    with pytest.raises(DocumentError, match=r"`\$` must be a mapping, not text"):
        convert(read("just text"), Tree)


@pytest.mark.parametrize("value", [{"leaves": {}}, {"leaves": 5}])
def test_nobody_to_blame(value: object) -> None:
    """A fault that no single entry shows is told of the whole mapping."""
    told = explain("Expected `int`, got `str` - at `$.leaves[...].size`", value, Tree)

    assert told == ("`$.leaves[...].size` must be a whole number, not text", "$.leaves[...].size")


def test_many_entries() -> None:
    """The entry at fault is found among thousands without delay."""
    rows = "".join(f"  k{n}: {{size: {n}}}\n" for n in range(3_000))
    with pytest.raises(DocumentError, match=r"`\$\.leaves\.last\.size`") as error:
        convert(read(f"leaves:\n{rows}  last: {{size: x}}\n"), Tree)

    assert error.value.line == 3_002


def test_fault_without_its_document() -> None:
    """Where only msgspec's complaint is known, the key it leaves out stays out."""
    fault = "Expected `int`, got `str` - at `$.leaves[...].size`"

    assert explain(fault, None, Tree) == (
        "`$.leaves[...].size` must be a whole number, not text",
        "$.leaves[...].size",
    )
