"""The pack's `approval` section: its shape as written, and how one pack's lies over another's."""

from __future__ import annotations

import re
from collections.abc import Collection
from decimal import Decimal, InvalidOperation
from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from policies.policy import ApprovalRules
from policies.pricing import nano
from policies.validation_document import RuleError
from policies.verdicts import Meanwhile
from policies.yaml_lines import nearest

_Names = Annotated[list[str], Meta(max_length=500)]
_SPANS_S = {"m": 60, "h": 3_600, "d": 86_400}
_SPAN = re.compile(r"([1-9]\d{0,5})([smhd])")
_LONGEST_S = 90 * 86_400
_LONGEST_URL = 2_048


class ApprovalDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person has to agree to; packs laid over one another only ever ask for more."""

    above_usd: str | None = None
    """Requests that may cost more."""
    data_classes: _Names = []
    """Declared classes of data."""
    triggers: _Names = []
    """Triggers that fired."""
    expires_after: str | None = None
    """How long a person has, as `30m`, `24h` or `7d`."""
    meanwhile: Meanwhile | None = None
    """What a client gets that waits for its answer: the base tier, or 403 with the workflow's id."""
    webhook: str | None = None
    """The https URL that is told; see `workflows.webhook_secret`."""


def overlay_approval(below: ApprovalRules, doc: ApprovalDoc, triggers: Collection[str]) -> ApprovalRules:
    """Return the rules with a later pack's on top; raise RuleError."""
    for index, name in enumerate(doc.triggers):
        if name not in triggers:
            hint = nearest(name, triggers) or "; name one of the packs' own"
            raise RuleError(f"triggers[{index}]", f"no trigger is called `{name}`{hint}")
    if doc.webhook is not None and not _is_url(doc.webhook):
        raise RuleError("webhook", "the webhook is not an http(s) URL; give one")
    amounts = [a for a in (below.above_nano, _amount(doc.above_usd)) if a is not None]
    rules = replace(
        below,
        above_nano=min(amounts, default=None),
        data_classes=below.data_classes | {name.lower() for name in doc.data_classes},
        triggers=below.triggers | frozenset(doc.triggers),
    )
    if doc.expires_after is not None:
        rules = replace(rules, expires_after_s=_span_s(doc.expires_after))
    if doc.meanwhile is not None:
        rules = replace(rules, meanwhile=doc.meanwhile)
    return rules if doc.webhook is None else replace(rules, webhook=doc.webhook)


def _amount(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or not 0 <= amount <= 10**6:
        raise RuleError("above_usd", f'`{text}` is no amount of USD; write it in quotes, like "2.50"')
    return nano(amount)


def _span_s(text: str) -> float:
    found = _SPAN.fullmatch(text)
    seconds = int(found[1]) * _SPANS_S.get(found[2], 1) if found else 0
    if not 0 < seconds <= _LONGEST_S:
        raise RuleError("expires_after", f"`{text}` is no span up to 90 days; write 30m, 24h or 7d")
    return float(seconds)


def _is_url(text: str) -> bool:
    return text.startswith(("https://", "http://")) and len(text) <= _LONGEST_URL and text.isprintable()
