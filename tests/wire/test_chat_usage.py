from __future__ import annotations

import pytest

from gateway.wire.chat_usage import read_usage
from policies.pricing import Usage


@pytest.mark.parametrize(
    ("value", "usage"),
    [
        (b'{"prompt_tokens":5,"completion_tokens":2}', Usage(input_tokens=5, output_tokens=2)),
        (
            b'{"prompt_tokens":100,"completion_tokens":0,"prompt_tokens_details":{"cached_tokens":64}}',
            Usage(input_tokens=36, cache_read_tokens=64),
        ),
        (
            b'{"prompt_tokens":100,"prompt_tokens_details":{"cached_tokens":10,"cache_write_tokens":30}}',
            Usage(input_tokens=60, cache_read_tokens=10, cache_write_5m_tokens=30),
        ),
        (
            (
                b'{"prompt_tokens":150000,"prompt_tokens_details":{"cache_creation_tokens":150000,'
                b'"cache_creation_token_details":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":150000}}}'
            ),
            Usage(cache_write_1h_tokens=150000),
        ),
        (
            (
                b'{"prompt_tokens":10,"prompt_tokens_details":{"cache_creation_tokens":9,'
                b'"cache_creation_token_details":{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":5}}}'
            ),
            Usage(input_tokens=1, cache_write_5m_tokens=4, cache_write_1h_tokens=5),
        ),
        (  # reads and writes were taken for fresh input or left out: litellm #11364
            (
                b'{"total_tokens":103925,"prompt_tokens":98805,"completion_tokens":5120,"prompt_tokens_details":'
                b'{"text_tokens":null,"cached_tokens":66360,"cache_creation_tokens":32435},'
                b'"cache_read_input_tokens":66360,"completion_tokens_details":{"reasoning_tokens":1710},'
                b'"cache_creation_input_tokens":32435}'
            ),
            Usage(
                input_tokens=10,
                output_tokens=5120,
                cache_read_tokens=66360,
                cache_write_5m_tokens=32435,
                reasoning_tokens=1710,
            ),
        ),
        (
            b'{"completion_tokens":8,"completion_tokens_details":{"reasoning_tokens":6},"prompt_tokens_details":null}',
            Usage(output_tokens=8, reasoning_tokens=6),
        ),
        (
            b'{"prompt_tokens":3,"prompt_tokens_details":{"cached_tokens":9}}',
            Usage(cache_read_tokens=9),
        ),
        (b'{"prompt_tokens":-3,"completion_tokens":1}', Usage(output_tokens=1)),
        (b"{}", None),
        (b"null", None),
        (b'{"prompt_tokens":"many"}', None),
        (b"{", None),
    ],
)
def test_usage_by_class(value: bytes, usage: Usage | None) -> None:
    """Cached tokens are counted once, in their own class."""
    assert read_usage(value) == usage
