from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from anthropic_samples import messages, text
from tokenizers import Tokenizer

from gateway.wire.token_count import count_body, count_tokens

TOOL = {"name": "read", "description": "Reads a file.", "input_schema": {"type": "object"}}
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 90_000}}
ROOT = Path(__file__).parents[2]
TEXTS = {
    "prose": (ROOT / "LICENSE").read_text(encoding="utf-8"),
    "code": (ROOT / "gateway/ledger.py").read_text(encoding="utf-8"),
    "chinese": "漢字かな交じり文のテスト。" * 20,
    "emoji": "🌧🌈" * 10,
}


def counted(*content: dict[str, Any], **fields: object) -> int:
    """Return the count of one user's message."""
    return count_tokens(messages(messages=[{"role": "user", "content": list(content)}], **fields))


def test_image_is_not_its_bytes() -> None:
    """An image costs what a vendor counts for it at most, wherever it stands."""
    result = {"type": "tool_result", "tool_use_id": "t", "content": [PNG]}

    assert 1_600 <= counted(PNG) < 1_700
    assert 1_600 <= counted(result) < 1_700


def test_everything_read_counts() -> None:
    """System prompt and tools cost as texts do; ids, signatures and limits are not read."""
    bare = counted(text("hello"))

    assert counted(text("hello"), system="x" * 300) == bare + 100
    assert counted(text("hello"), tools=[TOOL]) > bare + 5
    signed = {"type": "thinking", "thinking": "", "signature": "s" * 900}
    assert counted(text("hello"), signed, temperature=0.5) < bare + 20


def test_answer() -> None:
    """The endpoint answers with one number."""
    assert json.loads(count_body(messages())) == {"input_tokens": count_tokens(messages())}


@pytest.fixture(scope="session")
def claudes() -> Tokenizer:
    """Give the tokenizer Anthropic published, which litellm carries."""
    spec = find_spec("litellm")
    assert spec is not None
    (folder,) = spec.submodule_search_locations or ()
    return Tokenizer.from_file(str(next(Path(folder).rglob("anthropic_tokenizer.json"))))


@pytest.mark.parametrize("kind", TEXTS)
def test_bound_holds(kind: str, claudes: Tokenizer) -> None:
    """The bound is above what Claude counts, and not by more than twice."""
    real = len(claudes.encode(TEXTS[kind]).ids)

    assert real <= counted(text(TEXTS[kind])) < 2 * real + 20
