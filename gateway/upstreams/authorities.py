"""Whom calls to vendors trust: the certificate authorities of the system, read once and only if needed."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

_WHERE = "SSL_CERT_FILE"


@cache
def system_tls() -> ssl.SSLContext:
    """Return the one context of all calls that bring none; it is made when first asked for, in some 30 ms."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@contextmanager
def unread() -> Iterator[None]:
    """Spare what is imported in this block the system's bundle of authorities.

    aiohttp reads it twice when imported, for contexts that are no use here, as both our clients bring theirs:
    60 ms and 2 MiB of a start.
    """
    known = os.environ.get(_WHERE)
    os.environ[_WHERE] = os.devnull
    try:
        yield
    finally:
        if known is None:
            del os.environ[_WHERE]
        else:
            os.environ[_WHERE] = known
