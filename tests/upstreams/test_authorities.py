"""The authorities calls to vendors are checked against, and who does not read them."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest
import trustme

from gateway.upstreams.authorities import system_tls, unread


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


def test_nothing_read_at_start(authority: Path) -> None:
    """A context made at import reads no authorities, and the environment is as before."""
    with unread():
        early = ssl.create_default_context()

    assert early.get_ca_certs() == []
    assert os.environ["SSL_CERT_FILE"] == str(authority)


def test_no_trace_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not set is not set afterwards."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with unread():
        pass

    assert "SSL_CERT_FILE" not in os.environ
