"""What sets two policies apart outside their triggers, in words: terms, settings, validation and approval."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from policies.policy import Policy
from policies.pricing import usd
from policies.validation_document import DAYS
from policies.validation_rules import Hours, ValidationRules

MOST_NAMED = 20
"""Terms of one lexicon that are told one by one; of more the rest is counted."""
_SETTINGS = ("answer_checks", "checked_streams", "sticky_turns", "housekeeping_tier", "default_tier")
_MINUTES = 60


def lexicon_differences(before: Policy, after: Policy) -> Iterator[str]:
    """Yield which lexicons and terms were added, removed or weigh otherwise."""
    old, new = before.lexicons, after.lexicons
    for name in sorted({*old, *new}):
        if name not in new:
            yield f"lexicon.{name} is gone"
        elif name not in old:
            yield f"lexicon.{name} is new: {_listed(map(_term, new[name].items()))}"
        else:
            yield from (f"lexicon.{name}: {line}" for line in _term_changes(old[name], new[name]))


def setting_differences(before: Policy, after: Policy) -> Iterator[str]:
    """Yield the settings that differ, with both values."""
    for section in ("economy", "fallback"):
        was, now = getattr(before, section), getattr(after, section)
        yield from (_moved(f"{section}.{n}", getattr(was, n), getattr(now, n)) for n in _unlike(was, now))
    for name in _SETTINGS:
        if getattr(before, name) != getattr(after, name):
            yield _moved(name, getattr(before, name), getattr(after, name))


def validation_differences(was: ValidationRules, now: ValidationRules) -> Iterator[str]:
    """Yield the rules of validation that differ, named as in a pack."""
    for dimension in was.combine:
        if was.combine[dimension] != now.combine[dimension]:
            yield _moved(f"validation.combine.{dimension}", was.combine[dimension], now.combine[dimension])
    for section in ("business", "technical", "cost_benefit", "quality"):
        old, new = getattr(was, section), getattr(now, section)
        for name in old.__struct_fields__:
            one, two = getattr(old, name), getattr(new, name)
            if one != two:
                yield from _changed(f"validation.{section}.{name}", one, two)


def approval_differences(before: Policy, after: Policy) -> Iterator[str]:
    """Yield what a person has to agree to now and did not before, or the reverse; never a webhook's URL."""
    was, now = before.approval, after.approval
    for name in was.__struct_fields__:
        one, two = getattr(was, name), getattr(now, name)
        if name == "webhook" and one != two:
            yield "approval.webhook " + ("is gone" if not two else "is another" if one else "is new")
        elif one != two:
            yield from _changed(f"approval.{name}", one, two)


def _term_changes(old: Mapping[str, float], new: Mapping[str, float]) -> Iterator[str]:
    added = [_term(item) for item in new.items() if item[0] not in old]
    removed = [f"`{text}`" for text in old if text not in new]
    weighed = [f"`{t}` {old[t]:g} -> {new[t]:g}" for t in new if t in old and old[t] != new[t]]
    for verb, terms in (("added", added), ("removed", removed), ("weighs otherwise:", weighed)):
        if terms:
            yield f"{verb} {_listed(terms)}"


def _term(item: tuple[str, float]) -> str:
    text, weight = item
    return f"`{text}`" if weight == 1.0 else f"`{text}` ({weight:g})"


def _listed(items: Iterable[str]) -> str:
    told = sorted(items)
    more = f" and {len(told) - MOST_NAMED} more" if len(told) > MOST_NAMED else ""
    return (", ".join(told[:MOST_NAMED]) or "no terms") + more


def _changed(path: str, was: object, now: object) -> Iterator[str]:
    """Yield how a value changed; of two sets, what came and what went; of money, USD."""
    if isinstance(was, frozenset) and isinstance(now, frozenset):
        yield from _members(path, was, now)
    elif "_nano" in path:
        yield _moved(path.replace("_nano", "_usd"), _dollars(was), _dollars(now))
    else:
        yield _moved(path, was, now)


def _dollars(nano: object) -> str | None:
    return f"{usd(nano).normalize():f}" if isinstance(nano, int) else None


def _members(path: str, was: Collection[str], now: Collection[str]) -> Iterator[str]:
    for verb, names in (("added", set(now) - set(was)), ("removed", set(was) - set(now))):
        if names:
            yield f"{path}: {verb} {', '.join(sorted(names))}"


def _moved(path: str, was: object, now: object) -> str:
    return f"{path} {_shown(was)} -> {_shown(now)}"


def _unlike(was: object, now: object) -> Iterator[str]:
    names: tuple[str, ...] = was.__struct_fields__  # type: ignore[attr-defined]
    return (name for name in names if getattr(was, name) != getattr(now, name))


def _shown(value: object) -> str:
    match value:
        case None | "":
            return "none"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case tuple() | frozenset():
            return ", ".join(map(str, value if isinstance(value, tuple) else sorted(value))) or "none"
        case Hours(from_minute=start, until_minute=end, days=days, time_zone=zone):
            return f"{_clock(start)}-{_clock(end)} {','.join(DAYS[d] for d in sorted(days))} {zone}"
        case _:
            return str(value)


def _clock(minute: int) -> str:
    return f"{minute // _MINUTES:02}:{minute % _MINUTES:02}"
