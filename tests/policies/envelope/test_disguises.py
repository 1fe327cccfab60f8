from __future__ import annotations

import pytest

from policies.envelope.reader import _encodable


@pytest.mark.parametrize(
    "text",
    [
        "S\u200bQL injection",
        "\uff33\uff31\uff2c injection",
        "SQL\u3000injection",
        "S\u00adQL\u2060 injection",
    ],
)
def test_disguised_words_are_words(text: str) -> None:
    """Characters nobody sees, and wide ones that look the same, do not hide a word."""
    assert _encodable(text) == "SQL injection"


def test_other_scripts_stay() -> None:
    """What is not a disguise is left alone."""
    assert _encodable("日本語、naïve café 🙂") == "日本語、naïve café 🙂"
