"""Secrets and personal data in what would leave the gateway: kinds and places, never the data itself."""

from policies.sensitive_data.patterns import GROUPS, KINDS, PERSONAL, SECRETS
from policies.sensitive_data.scan import scan_body, scan_texts

__all__ = ["GROUPS", "KINDS", "PERSONAL", "SECRETS", "scan_body", "scan_texts"]
