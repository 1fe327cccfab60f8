"""The shape of a pack file: what may be written, section by section."""

from __future__ import annotations

from typing import Annotated

import msgspec

from policies.answer_checks import CHECK_NAMES
from policies.approval_document import ApprovalDoc
from policies.condition import ConditionDoc
from policies.facts import Tier
from policies.policy import CheckedStreams
from policies.sensitive_data import GROUPS, KINDS
from policies.validation_document import ValidationDoc

_ID = "^[A-Za-z0-9_.-]{1,64}$"
"""Ids of triggers and names of packs and lexicons stand in headers, logs and metrics."""
_CLASS = "^[a-z0-9_-]{1,64}$"
_Clause = Annotated[str, msgspec.Meta(max_length=500)]
_Priority = Annotated[int, msgspec.Meta(ge=-1_000_000, le=1_000_000)]
_KindName = Annotated[str, msgspec.Meta(extra_json_schema={"enum": [*KINDS, *GROUPS]})]
_CheckName = Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(CHECK_NAMES)})]


class TermDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A lexicon term with a weight of its own."""

    term: str
    weight: float = 1.0


class TriggerDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A trigger as written: what it tests and what firing demands; `disabled` needs the id alone."""

    id: Annotated[str, msgspec.Meta(pattern=_ID)]
    kind: Annotated[str, msgspec.Meta(max_length=64)] = ""
    when: ConditionDoc | None = None
    reason: _Clause = ""
    floor: Tier | None = None
    priority: _Priority = 0
    locked: bool = False
    disabled: bool = False


class EconomyDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The economy section; a value left out keeps what an earlier pack said."""

    enabled: bool | None = None
    score: str | None = None
    threshold: float | None = None
    target_share: float | None = None
    expected_output_tokens: int | None = None


class FallbackDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fallback section; a value left out keeps what an earlier pack said."""

    base_to_premium: bool | None = None
    premium_to_base: bool | None = None
    floor_may_fall: bool | None = None


class AnswerChecksDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer checks section; a list given replaces what an earlier pack enabled."""

    enabled: list[_CheckName] | None = None
    streams: CheckedStreams | None = None
    """Which base streams are held back to be checked; `demanded`: JSON by a schema, and forced tool calls."""


class DataClassDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A class of data: how it is recognised, and who may receive it."""

    name: Annotated[str, msgspec.Meta(pattern=_CLASS)]
    found: list[_KindName] = []
    """Kinds of sensitive data, or `secrets` and `personal` for all of a group; none: only by declaration."""
    at_least: Annotated[int, msgspec.Meta(ge=1)] = 1
    providers: list[str] | None = None
    deployments: list[str] | None = None
    waived_by: list[str] = []
    locked: bool = False


class PackDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One pack file."""

    pack: Annotated[str, msgspec.Meta(pattern=_ID)]
    description: str = ""
    lexicons: dict[Annotated[str, msgspec.Meta(pattern=_ID)], list[str | TermDoc]] = {}
    triggers: list[TriggerDoc] = []
    economy: EconomyDoc = EconomyDoc()
    fallback: FallbackDoc = FallbackDoc()
    answer_checks: AnswerChecksDoc = AnswerChecksDoc()
    validation: ValidationDoc = ValidationDoc()
    approval: ApprovalDoc = ApprovalDoc()
    data_classes: list[DataClassDoc] = []
    locks: list[str] = []
    """Settings, e.g. `fallback.floor_may_fall`, that no pack laid over this one may change."""
    sticky_turns: int | None = None
    housekeeping_tier: Tier | None = None
    default_tier: Tier | None = None
