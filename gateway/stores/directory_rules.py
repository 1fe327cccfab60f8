"""What a team, key or budget may be asked to be (pure)."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from gateway.errors import InvalidRequest
from gateway.stores.business_days import find_zone
from gateway.stores.directory_base import MOST_PACKS, BudgetSpec, KeySpec, TeamSpec
from gateway.stores.schema import LARGEST
from gateway.wire.invalid_body import invalid_body

_LONGEST_NAME = 64
_LONGEST_MODEL = 128
_MOST_MODELS = 256
_LONGEST_OVERLAP_S = 7 * 86_400

Spec = TypeVar("Spec", TeamSpec, KeySpec, BudgetSpec)


def check_team(spec: TeamSpec) -> None:
    """Raise InvalidRequest unless a team can be made so."""
    _check_types(spec)
    check_name(spec.name)
    find_zone(spec.time_zone)


def check_key(spec: KeySpec, now_ms: int) -> None:
    """Raise InvalidRequest unless a key can be made so at `now_ms`."""
    _check_types(spec)
    check_name(spec.name)
    if not spec.scopes:
        raise InvalidRequest("a key needs at least one scope; use inference", param="scopes")
    if spec.expires_ms is not None and not now_ms < spec.expires_ms <= LARGEST:
        raise InvalidRequest(
            "the key would have expired already; choose a later time, in Unix ms", param="expires_ms"
        )
    models = spec.allowed_models or ()
    if len(models) > _MOST_MODELS or any(not 0 < len(model) <= _LONGEST_MODEL for model in models):
        raise InvalidRequest(
            f"name at most {_MOST_MODELS} models of 1 to {_LONGEST_MODEL} characters", param="allowed_models"
        )
    if len(set(spec.packs)) < len(spec.packs) or len(spec.packs) > MOST_PACKS:
        raise InvalidRequest(f"name at most {MOST_PACKS} packs, each once", param="packs")
    for budget in spec.budgets:
        check_budget(budget)
    if len({budget.period for budget in spec.budgets}) < len(spec.budgets):
        raise InvalidRequest("a key has at most one budget per period; leave one out", param="budgets")


def check_budget(spec: BudgetSpec) -> None:
    """Raise InvalidRequest unless a budget can be set so."""
    _check_types(spec)
    if not 0 <= spec.limit_nano <= LARGEST:
        raise InvalidRequest("a budget is an amount from 0 to 1,000,000 USD", param="limit_nano")


def check_overlap(overlap_s: int) -> None:
    """Raise InvalidRequest unless an old secret may stay valid for so long."""
    if not 0 <= overlap_s <= _LONGEST_OVERLAP_S:
        raise InvalidRequest(
            f"an old secret stays valid for 0 to {_LONGEST_OVERLAP_S} seconds (7 days) at most",
            param="overlap_seconds",
        )


def check_name(name: str) -> None:
    """Raise InvalidRequest for a name that cannot be seen whole or could be taken for a path."""
    seen = 0 < len(name) <= _LONGEST_NAME and name.isprintable() and name == name.strip()
    if not seen or "/" in name or "\\" in name or not name.strip("."):
        raise InvalidRequest(
            f"a name is 1 to {_LONGEST_NAME} printable characters, without slashes", param="name"
        )


def _check_types(spec: Spec) -> None:
    """Check what annotations promise: a spec built in Python is not checked by building it."""
    try:
        msgspec.convert(msgspec.to_builtins(spec), type(spec))
    except msgspec.ValidationError as error:
        raise invalid_body(error) from error
