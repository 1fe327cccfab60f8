from __future__ import annotations

import gzip
import zlib

import pytest

from gateway.errors import GatewayError
from gateway.intake import expand

TEXT = b'{"model": "auto"}' * 50


def bare(data: bytes) -> bytes:
    """Return raw deflate data."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "raw"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("x-gzip", gzip.compress(TEXT)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", bare(TEXT)),
    ],
)
def test_expands(encoding: str, raw: bytes) -> None:
    """Both readings of `deflate` and both names of gzip are understood."""
    assert expand(raw, encoding, len(TEXT)) == TEXT


@pytest.mark.parametrize(
    ("encoding", "raw", "status"),
    [
        ("gzip", gzip.compress(TEXT)[:-9], 400),
        ("gzip", gzip.compress(TEXT) + b"more", 400),
        ("gzip", b"", 400),
        ("deflate", b"plain", 400),
        ("br", TEXT, 415),
        ("gzip, gzip", gzip.compress(TEXT), 415),
        ("gzip", gzip.compress(bytes(10**8)), 413),
        ("deflate", zlib.compress(bytes(10**8)), 413),
    ],
)
def test_refuses(encoding: str, raw: bytes, status: int) -> None:
    """What is cut, padded, foreign or too large is refused."""
    with pytest.raises(GatewayError) as refused:
        expand(raw, encoding, 10_000)
    assert refused.value.http_status == status
