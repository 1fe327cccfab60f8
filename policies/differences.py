"""What sets two policies apart, in words: triggers, floors, bounds and data classes; then the sections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from policies.condition import Compare, Condition, Every, Negated, Some
from policies.data_guard import DataClass
from policies.policy import Policy, Trigger
from policies.section_differences import (
    approval_differences,
    lexicon_differences,
    setting_differences,
    validation_differences,
)

_T = TypeVar("_T")
_SIGN = {"at_least": ">=", "above": ">", "at_most": "<=", "below": "<"}


def differences(before: Policy, after: Policy) -> tuple[str, ...]:
    """Return one line for each difference, in a steady order; none where both decide alike."""
    return (
        *_triggers(before, after),
        *setting_differences(before, after),
        *_classes(before, after),
        *lexicon_differences(before, after),
        *validation_differences(before.validation, after.validation),
        *approval_differences(before, after),
    )


def condition_words(condition: Condition) -> str:
    """Return a condition as people write it."""
    match condition:
        case Compare(signal=name, comparison=comparison, bound=bound):
            return f"{name} {_SIGN[comparison]} {bound:g}"
        case Negated(part=part):
            return f"not ({condition_words(part)})"
        case Every(parts=parts):
            return " and ".join(_grouped(part) for part in parts)
        case Some(parts=parts):
            return " or ".join(_grouped(part) for part in parts)


def _grouped(condition: Condition) -> str:
    words = condition_words(condition)
    return f"({words})" if isinstance(condition, Every | Some) else words


def _triggers(before: Policy, after: Policy) -> Iterator[str]:
    old, new = {t.id: t for t in before.triggers}, {t.id: t for t in after.triggers}
    for name, was, now in _paired(old, new):
        if now is None:
            yield f"trigger {name} is gone"
        elif was is None:
            demands = f", demands {now.floor}" if now.floor else ""
            yield f"trigger {name} is new ({now.kind}{demands}): {condition_words(now.when)}"
        else:
            yield from (f"trigger {name}: {line}" for line in _changes(was, now))


def _changes(was: Trigger, now: Trigger) -> Iterator[str]:
    if was.floor != now.floor:
        yield f"floor {was.floor or 'none'} -> {now.floor or 'none'}"
    if was.locked != now.locked:
        yield "is now locked" if now.locked else "is no longer locked"
    if was.kind != now.kind:
        yield f"kind {was.kind} -> {now.kind}"
    if was.reason != now.reason:
        yield f"reason is now: {now.reason}"
    if was.priority != now.priority:
        yield f"priority {was.priority} -> {now.priority}"
    if was.when == now.when:
        return
    bounds = [(a, b) for a, b in zip(_compares(was.when), _compares(now.when), strict=False) if a != b]
    if _shape(was.when) == _shape(now.when):
        yield from (f"{a.signal} {_SIGN[a.comparison]} {a.bound:g} -> {b.bound:g}" for a, b in bounds)
    else:
        yield f"condition {condition_words(was.when)} -> {condition_words(now.when)}"


def _classes(before: Policy, after: Policy) -> Iterator[str]:
    old, new = {c.name: c for c in before.data_classes}, {c.name: c for c in after.data_classes}
    for name, was, now in _paired(old, new):
        if now is None:
            yield f"data class {name} is gone"
        elif was is None or _essence(was) != _essence(now):
            verb = "is new:" if was is None else f"{_admits(was)} ->"
            yield f"data class {name} {verb} {_admits(now)}"


def _admits(data_class: DataClass) -> str:
    if not data_class.restricts:
        return "any deployment"
    named = sorted((data_class.providers or frozenset()) | (data_class.deployments or frozenset()))
    kinds = f" for {', '.join(sorted(data_class.found))}" if data_class.found else ""
    return (", ".join(named) or "nobody") + kinds


def _essence(data_class: DataClass) -> tuple[object, ...]:
    return (
        data_class.found,
        data_class.at_least,
        data_class.providers,
        data_class.deployments,
        data_class.waived_by,
        data_class.locked,
    )


def _paired(old: Mapping[str, _T], new: Mapping[str, _T]) -> Iterator[tuple[str, _T | None, _T | None]]:
    for name in sorted({*old, *new}):
        yield name, old.get(name), new.get(name)


def _shape(condition: Condition) -> object:
    match condition:
        case Compare(signal=name, comparison=comparison):
            return (name, comparison)
        case Negated(part=part):
            return ("not", _shape(part))
        case Every(parts=parts):
            return ("all", *map(_shape, parts))
        case Some(parts=parts):
            return ("any", *map(_shape, parts))


def _compares(condition: Condition) -> Iterator[Compare]:
    match condition:
        case Compare():
            yield condition
        case Negated(part=part):
            yield from _compares(part)
        case Every(parts=parts) | Some(parts=parts):
            for part in parts:
                yield from _compares(part)
