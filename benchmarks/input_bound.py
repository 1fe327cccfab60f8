"""How far the bound of a prompt's tokens is from what tokenizers count: 1 is exact, less is too little.

`python benchmarks/input_bound.py`: on texts of many kinds, by the three tokenizers that come with litellm.
"""

from __future__ import annotations

import base64
import os
import random
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import tiktoken
from tokenizers import Tokenizer

from gateway.features import bound_text

ROOT = Path(__file__).parents[1]


def make_samples() -> Mapping[str, str]:
    """Return texts by kind."""
    rng = random.Random(1)  # noqa: S311 - the same texts every time
    rows = [[rng.randint(0, 99_999) for _ in range(8)] for _ in range(200)]
    return {
        "prose": (ROOT / "docs/operations.md").read_text("utf-8"),
        "code": (ROOT / "gateway/pipeline.py").read_text("utf-8"),
        "JSON": (ROOT / "docs/openapi.json").read_text("utf-8")[:40_000],
        "digits": "".join(rng.choices("0123456789", k=6_000)),
        "table of integers": "\n".join(",".join(map(str, row)) for row in rows),
        "table of decimals": "\n".join(",".join(f"{cell / 1000:.2f}" for cell in row) for row in rows),
        "digits with commas": ",".join(rng.choices("0123456789", k=3_000)),
        "digits with spaces": " ".join(rng.choices("0123456789", k=3_000)),
        "hex": rng.randbytes(3_000).hex(),
        "base64": base64.b64encode(rng.randbytes(4_500)).decode(),
        "Chinese": "请检查这个函数的安全性并修复其中的错误。" * 50,
        "Japanese": "この関数の安全性を確認して、エラーを修正してください。" * 50,
        "Russian": "Проверьте безопасность этой функции и исправьте ошибки. " * 50,
        "Thai": "ตรวจสอบความปลอดภัยของฟังก์ชันนี้" * 50,
        "Amharic": "የዚህን ተግባር ደህንነት ያረጋግጡ " * 50,
        "punctuation": "".join(rng.choices("!@#$%^&*()[]{};:.<>?/|", k=4_000)),
    }


def load_counters() -> Mapping[str, Callable[[str], int]]:
    """Return token counters by name; nothing is fetched."""
    found = find_spec("litellm")
    if found is None or found.origin is None:
        sys.exit("litellm brings the tokenizers; install it")
    folder = Path(found.origin).parent / "litellm_core_utils" / "tokenizers"
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
    claude = Tokenizer.from_file(str(folder / "anthropic_tokenizer.json"))
    openai = {name: tiktoken.get_encoding(name) for name in ("cl100k_base", "o200k_base")}
    counters: dict[str, Callable[[str], int]] = {
        name: lambda text, encoding=encoding: len(encoding.encode(text)) for name, encoding in openai.items()
    }
    return counters | {"claude-2": lambda text: len(claude.encode(text).ids)}


def main() -> None:
    """Print the bound divided by each count, by kind of text."""
    counters = load_counters()
    sys.stdout.write(f"{'':20}{''.join(f'{name:>14}' for name in counters)}\n")
    for kind, text in make_samples().items():
        ratios = [bound_text(text) / count(text) for count in counters.values()]
        sys.stdout.write(f"{kind:20}{''.join(f'{ratio:14.2f}' for ratio in ratios)}\n")


if __name__ == "__main__":
    main()
