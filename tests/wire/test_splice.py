from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.splice import splice

SPACE = st.text(" \t\n\r", max_size=3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.just("model"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["model", "a"]), inner),
    max_leaves=6,
)
KEYS = st.sampled_from(["model", "stream", "mod", 'x"y', "é", "messages"])


def escaped(key: str) -> str:
    """Write every letter of a key as an escape."""
    return '"' + "".join(f"\\u{ord(letter):04x}" for letter in key) + '"'


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, list[tuple[str, str]]]:
    """Make an object's text and its members as (key, text between the commas)."""
    members = []
    for key in draw(st.lists(KEYS, max_size=6)):
        name = draw(st.sampled_from([json.dumps(key), escaped(key), json.dumps(key, ensure_ascii=False)]))
        value = json.dumps(draw(JSON), ensure_ascii=draw(st.booleans()))
        members.append((key, f"{draw(SPACE)}{name}{draw(SPACE)}:{draw(SPACE)}{value}{draw(SPACE)}"))
    inside = ",".join(text for _, text in members) or draw(SPACE)
    return f"{draw(SPACE)}{{{inside}}}{draw(SPACE)}", members


@settings(deadline=None)
@given(bodies(), st.sets(st.sampled_from(["model", "stream", "new"])), st.sets(KEYS))
def test_means_the_same_otherwise(
    body: tuple[str, list[tuple[str, str]]], replaced: set[str], removed: set[str]
) -> None:
    """The result parses to the dict with the fields changed, whatever the layout."""
    text, _ = body
    wanted = {name: value for name, value in json.loads(text).items() if name not in removed}
    edits = dict.fromkeys(replaced - removed, b'{"set":"here"}')
    wanted.update({name: {"set": "here"} for name in edits})
    assert json.loads(splice(text.encode(), replace=edits, remove=removed)) == wanted


@settings(deadline=None)
@given(bodies())
def test_other_bytes_stay(body: tuple[str, list[tuple[str, str]]]) -> None:
    """Only the values of the replaced key differ, at every occurrence."""
    text, members = body
    result = splice(text.encode(), replace={"model": b"7"}).decode()
    if not any(key == "model" for key, _ in members):
        result = result.replace('"model":7,' if members else '"model":7', "", 1)
        assert result == text
        return
    for key, member in members:
        if key != "model":
            assert member.strip() in result
    pairs = json.loads(result, object_pairs_hook=list)
    assert [value for key, value in pairs if key == "model"] == [7] * [k for k, _ in members].count("model")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"model":"a","n":1}', b'{"model":"b","n":1}'),
        (b' { "n" : 1 , "model" : "a" } ', b' { "n" : 1 , "model" : "b" } '),
        (b'{"x":{"model":"a"},"y":"model"}', b'{"model":"b","x":{"model":"a"},"y":"model"}'),
        (b'{"model":"a","model":"aa"}', b'{"model":"b","model":"b"}'),
        (b'{"model":"a\\",\\"model\\":1","model":"a"}', b'{"model":"b","model":"b"}'),
        (b'{"model":{"a":1,"b":2},"model":123456}', b'{"model":"b","model":"b"}'),
        (b'{"mod\\u0065l":"a","model":1.5e3}', b'{"mod\\u0065l":"b","model":"b"}'),
        (b"{}", b'{"model":"b"}'),
    ],
)
def test_replaces_top_level_only(body: bytes, expected: bytes) -> None:
    """Nested, quoted, escaped and repeated keys are told apart."""
    assert splice(body, replace={"model": b'"b"'}) == expected


@pytest.mark.parametrize(
    ("body", "remove", "expected"),
    [
        (b'{"a":1, "b":2, "c":3}', {"b"}, b'{"a":1, "c":3}'),
        (b'{"a":1, "b":2, "c":3}', {"c"}, b'{"a":1, "b":2}'),
        (b'{"a":1, "b":2, "c":3}', {"b", "c"}, b'{"a":1}'),
        (b'{"a":1, "b":2, "c":3 }', {"a", "b", "c"}, b"{ }"),
        (b'{"a":1}', {"z"}, b'{"a":1}'),
    ],
)
def test_removes_with_one_comma(body: bytes, remove: set[str], expected: bytes) -> None:
    """A removed member takes one comma along."""
    assert splice(body, replace={}, remove=remove) == expected


@pytest.mark.parametrize("body", [b"", b"[]", b'{"a":1', b'{"a":1}}', b"null"])
def test_refuses_other_json(body: bytes) -> None:
    """Anything but one JSON object is refused."""
    with pytest.raises(ValueError, match=r"JSON|object|truncated"):
        splice(body, replace={})
