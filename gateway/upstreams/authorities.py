"""Whom calls to vendors and webhooks trust: the authorities of the system, read when first needed."""

from __future__ import annotations

import ssl
from functools import cache


@cache
def system_tls() -> ssl.SSLContext:
    """Return the one context of all calls that bring none; it is made when first asked for, in some 30 ms."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
