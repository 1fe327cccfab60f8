"""The authorities calls to vendors are checked against."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from gateway.upstreams.authorities import system_tls


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a bundle that the environment names."""
    bundle = tmp_path / "authorities.pem"
    bundle.write_bytes(trustme.CA().cert_pem.bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    return bundle


@pytest.mark.usefixtures("authority")
def test_calls_trust_the_environments_authorities() -> None:
    """Whom the operator names is trusted, and certificates and names are checked."""
    context = system_tls.__wrapped__()

    names = [dict(part[0] for part in ca["subject"]) for ca in context.get_ca_certs()]
    assert "trustme" in str(names)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_one_context_for_all() -> None:
    """Reading the authorities again for every origin would cost each its first call."""
    assert system_tls() is system_tls()
