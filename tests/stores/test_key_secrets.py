"""Secrets are strong, hashes are keyed, and neither shows itself."""

from __future__ import annotations

from gateway.credentials import fingerprint, hash_key, mint, mint_pepper


def test_minted_secrets() -> None:
    """A secret has the prefix, more than 32 URL-safe characters, and is never the same twice."""
    secrets = {mint() for _ in range(100)}
    assert len(secrets) == 100
    assert all(secret.startswith("sk-gw-") and len(secret) >= 38 for secret in secrets)
    assert all(secret.replace("-", "").replace("_", "").isalnum() for secret in secrets)


def test_known_hash() -> None:
    """The hash is HMAC-SHA256 (RFC 4231, test case 2)."""
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert hash_key("what do ya want for nothing?", b"Jefe") == expected


def test_hash_is_total() -> None:
    """Whatever a header holds can be hashed, and the pepper matters."""
    assert len(hash_key("\udc80é\0", b"p")) == 64
    assert hash_key("a", mint_pepper()) != hash_key("a", mint_pepper())


def test_fingerprint_hides_hash() -> None:
    """A fingerprint prints the last four characters and nothing of the hash."""
    mark = fingerprint("sk-gw-abcdefgh", b"p")
    assert mark.last4 == "efgh"
    assert repr(mark) == "Fingerprint(last4='efgh')"
