"""What is looked for: RE2 patterns by kind, each with the check that tells the real thing from look-alikes.

RE2 has no backtracking, so no prompt can stall the gateway. Shapes follow the issuers' own documentation
(the prefixes they publish for secret scanning) and the public specifications of IBAN, card and identity
numbers. A pattern's first group, where it has one, is the datum; otherwise the whole match is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from policies.sensitive_data import checks

Check = Callable[[str], bool]


class Pattern(msgspec.Struct, frozen=True):
    """One shape of one kind of datum."""

    kind: str
    expression: str
    check: Check = checks.accept


_ISSUED_KEYS = (
    r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b",  # AWS
    r"\bsk-(?:[A-Za-z0-9]+-){0,3}[A-Za-z0-9_\-]{20,}",  # OpenAI, Anthropic and those who copied the form
    r"\bAIza[A-Za-z0-9_\-]{35}",  # Google
    r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}",  # Stripe
    r"\bSG\.[A-Za-z0-9_\-]{22}\.[A-Za-z0-9_\-]{43}",  # SendGrid
    r"\bSK[0-9a-f]{32}\b",  # Twilio
    r"\bdop_v1_[a-f0-9]{64}\b",  # DigitalOcean
    r"\bAccountKey=[A-Za-z0-9+/]{86}==",  # Azure storage
)
_ISSUED_TOKENS = (
    r"\bgh[pousr]_[A-Za-z0-9]{36,}",  # GitHub
    r"\bgithub_pat_[A-Za-z0-9_]{60,}",
    r"\bglpat-[A-Za-z0-9_\-]{20,}",  # GitLab
    r"\bxox[abeoprs]-[A-Za-z0-9\-]{10,}",  # Slack
    r"\bhooks\.slack\.com/services/T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]{20,}",
    r"\bnpm_[A-Za-z0-9]{36}\b",
    r"\bpypi-AgEIcHlwaS[A-Za-z0-9_\-]{50,}",
    r"\bhf_[A-Za-z0-9]{30,}",  # Hugging Face
    r"\beyJ[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}",  # JSON Web Token, RFC 7519
)
_SCHEMES = (
    "postgres(?:ql)?|mysql|mariadb|mongodb|rediss?|amqps?|mssql|sqlserver|ftps?|sftp|ldaps?|smtps?|https?"
)
_CARD = (
    r"\b((?:4\d{3}|5[1-5]\d\d|2[2-7]\d\d|6(?:011|5\d\d)|35\d\d)(?:[ \-]?\d{4}){3}"
    r"|3[47]\d\d[ \-]?\d{6}[ \-]?\d{5})\b"
)

PATTERNS: tuple[Pattern, ...] = (
    Pattern("private_key", r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"),
    *(Pattern("api_key", expression, checks.is_varied) for expression in _ISSUED_KEYS),
    *(Pattern("token", expression, checks.is_varied) for expression in _ISSUED_TOKENS),
    Pattern(
        "connection_string",
        rf"(?i)\b(?:{_SCHEMES})(?:\+[a-z0-9]+)?://[^\s:/@\"'<>]{{0,128}}:([^\s@/\"'<>]{{3,256}})@[^\s/\"'@]",
        checks.is_password,
    ),
    Pattern(
        "connection_string",
        r"(?i)\b(?:server|data source|host|accountendpoint)=[^;\n]+;(?:[^;\n]+;){0,8}?"
        r"\s*(?:password|pwd|accountkey)=([^;\s\"']{3,256})",
        checks.is_password,
    ),
    Pattern(
        "credential",
        r"(?i)(?:api_?-?key|secret|token|passwd|password|pwd)[a-z_]{0,16}[\"']?\s{0,4}(?::|=>?)\s{0,4}"
        r"[\"']([^\s\"']{12,256})[\"']",
        checks.is_random,
    ),
    Pattern(
        "email", r"(?i)\b([a-z0-9._%+\-]{1,64}@(?:[a-z0-9\-]{1,63}\.){1,5}[a-z]{2,24})\b", checks.is_email
    ),
    Pattern("iban", r"\b([A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?)\b", checks.is_iban),
    Pattern("credit_card", _CARD, checks.passes_luhn),
    Pattern("phone", r"(?:^|[\s(:,;>\"'])(\+[1-9]\d{0,2}(?:[ .\-/]?\(?\d{1,5}\)?){2,6})\b", checks.is_phone),
    Pattern("phone", r"(?:^|[\s:,;>\"'])(\(?[2-9]\d\d\)?[ .\-][2-9]\d\d[ .\-]\d{4})\b"),
    Pattern("national_id", r"\b(\d{3}-\d{2}-\d{4})\b", checks.is_us_ssn),
    Pattern(
        "national_id",
        r"\b([A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D])\b",
        checks.is_uk_nino,
    ),
    Pattern("national_id", r"\b([XYZ]?\d{7,8}[A-Z])\b", checks.is_spanish_id),
    Pattern("national_id", r"\b([A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z])\b", checks.is_italian_code),
    Pattern(
        "national_id", r"\b([12] ?\d\d ?(?:0[1-9]|1[0-2]) ?\d\d ?\d{3} ?\d{3} ?\d\d)\b", checks.is_french_nir
    ),
)
SECRETS = ("private_key", "api_key", "token", "connection_string", "credential")
PERSONAL = ("email", "iban", "credit_card", "phone", "national_id")
KINDS = (*SECRETS, *PERSONAL)
GROUPS: Mapping[str, tuple[str, ...]] = {"secrets": SECRETS, "personal": PERSONAL}
"""Names a pack may use for several kinds at once."""
