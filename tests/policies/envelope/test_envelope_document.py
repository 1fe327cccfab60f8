"""A broken `envelopes.yaml` is refused with its path and the remedy."""

from __future__ import annotations

import re

import pytest

from policies.envelope import Envelopes


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, "expected `object`, got `null`; correct that entry"),
        ({"clients": [{"name": 3}]}, "`$.clients[0].name`"),
        ({"clients": [{"name": "a", "tgas": {}}]}, "unknown field `tgas` - at `$.clients[0]`"),
        ({"clients": [{"name": "a", "tags": {"x": "hide"}}]}, "`$.clients[0].tags[...]`"),
        ({"clients": [{"name": "a"}, {"name": "a"}]}, "`$.clients[1].name` repeats `a`; merge"),
        ({"clients": [{"name": "a", "tags": {"x y": "drop"}}]}, "`$.clients[0].tags.x y` is not a tag name"),
        (
            {"clients": [{"name": "a", "tags": {"x": "drop"}}, {"name": "b", "tags": {"x": "ask"}}]},
            "`$.clients[1].tags.x` is claimed by `a` too; keep it in one client",
        ),
        ({"clients": [{"name": "a", "skip_lines": ["ok", " "]}]}, "`$.clients[0].skip_lines[1]` is blank"),
        (
            {"clients": [{"name": "a", "skip_parts": [{"starts": [""]}]}]},
            "`$.clients[0].skip_parts[0].starts[0]`",
        ),
        ({"clients": [{"name": "a", "blocks": [{"opens": ""}]}]}, "`$.clients[0].blocks[0].opens` is blank"),
        ({"clients": [], "housekeeping": [{"name": "x", "has": ["y"]}]}, "`$.housekeeping[0]` has no anchor"),
    ],
)
def test_mistake_is_named(document: object, message: str) -> None:
    """The error says where and what to do."""
    with pytest.raises(ValueError, match=re.escape(message)):
        Envelopes.compile(document)


def test_no_clients_is_fine() -> None:
    """Rules without any client read bare prompts."""
    from policies.facts import Turn

    bare = Envelopes.compile({"clients": []})
    reading = bare.read([Turn(role="user", parts=("<a>hi</a> there",))], message_count=1, has_tools=False)
    assert reading.ask.text == "<a>hi</a> there"
