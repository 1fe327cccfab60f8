"""Gateway keys: how a secret is made, and the only form in which it is ever kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from functools import lru_cache

PREFIX = "sk-gw-"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is kept of a secret; the hash stays out of the repr, so out of logs and tracebacks."""

    key_hash: str = field(repr=False)
    last4: str


def mint() -> str:
    """Return a new secret: `sk-gw-` and 43 URL-safe characters (256 random bits)."""
    return PREFIX + secrets.token_urlsafe(32)


def mint_pepper() -> bytes:
    """Return 32 random bytes to key the hashes with."""
    return secrets.token_bytes(32)


def hash_key(secret: str, pepper: bytes) -> str:
    """Return the HMAC-SHA256 of a secret in hex; total over any text a header can hold.

    A plain keyed hash suffices where a password would need a slow one: a secret has 256 random bits.
    """
    keyed = _keyed(pepper).copy()
    keyed.update(secret.encode("utf-8", "surrogatepass"))
    return keyed.hexdigest()


@lru_cache(maxsize=8)
def _keyed(pepper: bytes) -> hmac.HMAC:
    """Return the hash with the pepper already in it: preparing the key costs more than the secret does."""
    return hmac.new(pepper, digestmod=hashlib.sha256)


def fingerprint(secret: str, pepper: bytes) -> Fingerprint:
    """Return what a store may keep of `secret`."""
    return Fingerprint(hash_key(secret, pepper), secret[-4:])
