"""What outcomes speak for changing in a pack: thresholds, weights of terms, new terms.

A threshold is suggested when, over the decisions whose outcome is known, it would have been right more often
than the one in force, and an exact sign test over the decisions on which the two differ says that this is no
chance (McNemar 1947). New terms come from prompts that were kept: words that stand in work that was missed,
and hardly in work that base did well, by the log-odds ratio with half an observation added (Haldane).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal

import msgspec
from msgspec.structs import replace

from policies.condition import Compare, Condition, Every, Negated, Some
from policies.policy import Trigger
from policies.trigger_validation.calibration import Calibrated, binomial_tail, calibrate
from policies.verdicts import Signal

MOST_EVIDENCE = 1_000
_LEAST_WINS = 5
_CHANCE = 0.05
_MOST_BOUNDS = 12
_LEAST_TERM_SAMPLE = 8
_GOOD_TERM = 0.5
_LEAST_Z = 2.6
_LEAST_TEXTS = 5
_MOST_TERMS = 5
_WORD = re.compile(r"[a-z][a-z0-9_-]{2,30}")
_TEXT_CHARS = 4_000

Kind = Literal["threshold", "weight", "lexicon"]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """A decision of which it is known whether it needed premium."""

    needed: bool
    signals: Mapping[str, float]
    missed: str = ""
    """The trigger that should have spoken and did not."""
    terms: tuple[tuple[str, str], ...] = ()
    """Trigger and term, for every lexicon term a finding rested on."""
    text: str = ""
    """The ask, where prompts are kept."""


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """A change for a person to make, or not, and the outcomes that speak for it."""

    kind: Kind
    trigger: str
    change: str
    because: str
    sample: int
    chance: float
    """How probable evidence like this is if the change does nothing."""


def suggest(triggers: Iterable[Trigger], evidence: Sequence[Evidence]) -> tuple[Suggestion, ...]:
    """Return what the newest MOST_EVIDENCE decisions speak for, the surest first."""
    known = list(evidence[-MOST_EVIDENCE:])
    found = [*_weights(known), *_terms(known)]
    for trigger in triggers:
        if trigger.floor == "premium":
            found += _thresholds(trigger, known)
    return tuple(sorted(found, key=lambda s: (s.chance, s.trigger, s.change)))


def _thresholds(trigger: Trigger, evidence: Sequence[Evidence]) -> Iterator[Suggestion]:
    cases = [(e, {name: Signal(value=value) for name, value in e.signals.items()}) for e in evidence]
    before = [(trigger.when.holds(signals) is True, e) for e, signals in cases]
    for leaf in dict.fromkeys(_leaves(trigger.when)):
        best: tuple[int, int, float] | None = None
        for bound in _bounds(leaf, evidence):
            changed = _with_bound(trigger.when, leaf, bound)
            now = [changed.holds(signals) is True for _, signals in cases]
            wins, losses = _compared(trigger.id, before, now)
            if best is None or wins - losses > best[0] - best[1]:
                best = (wins, losses, bound)
        if best is None or best[0] < _LEAST_WINS:
            continue
        wins, losses, bound = best
        chance = binomial_tail(wins, wins + losses)
        if chance <= _CHANCE:
            yield Suggestion(
                kind="threshold",
                trigger=trigger.id,
                change=f"{leaf.signal} {leaf.comparison}: {leaf.bound:g} -> {bound:g}",
                because=f"{wins} decisions would have gone right that went wrong, {losses} the other way",
                sample=wins + losses,
                chance=round(chance, 6),
            )


def _compared(trigger: str, before: Sequence[tuple[bool, Evidence]], now: Sequence[bool]) -> tuple[int, int]:
    """Return how many decisions a change puts right, and how many it puts wrong."""
    wins = losses = 0
    for (fired, e), fires in zip(before, now, strict=True):
        if fired == fires or (not fired and e.needed and e.missed != trigger):
            continue
        wins += fires == e.needed
        losses += fires != e.needed
    return wins, losses


def _bounds(leaf: Compare, evidence: Sequence[Evidence]) -> Sequence[float]:
    """Return values between those that were seen, spread evenly over them."""
    seen = sorted({e.signals[leaf.signal] for e in evidence if leaf.signal in e.signals})
    middles = [_short((low + high) / 2) for low, high in pairwise(seen)]
    step = max(1, math.ceil(len(middles) / _MOST_BOUNDS))
    return [bound for bound in middles[::step] if bound != leaf.bound]


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def _leaves(condition: Condition) -> Iterator[Compare]:
    match condition:
        case Compare():
            yield condition
        case Negated(part=part):
            yield from _leaves(part)
        case Every(parts=parts) | Some(parts=parts):
            for part in parts:
                yield from _leaves(part)


def _with_bound(condition: Condition, leaf: Compare, bound: float) -> Condition:
    match condition:
        case Compare():
            return replace(condition, bound=bound) if condition == leaf else condition
        case Negated(part=part):
            return Negated(_with_bound(part, leaf, bound))
        case Every(parts=parts):
            return Every(tuple(_with_bound(part, leaf, bound) for part in parts))
        case Some(parts=parts):
            return Some(tuple(_with_bound(part, leaf, bound) for part in parts))


def _weights(evidence: Iterable[Evidence]) -> Iterator[Suggestion]:
    right: Counter[tuple[str, str]] = Counter()
    seen: Counter[tuple[str, str]] = Counter()
    for e in evidence:
        for place in dict.fromkeys(e.terms):
            seen[place] += 1
            right[place] += e.needed
    for (trigger, term), sample in sorted(seen.items()):
        known = calibrate(right[trigger, term], sample, prior=_GOOD_TERM, weight=2.0, interval=0.9)
        if sample >= _LEAST_TERM_SAMPLE and known.high < _GOOD_TERM:
            yield _lighter(trigger, term, known, right[trigger, term])


def _lighter(trigger: str, term: str, known: Calibrated, right: int) -> Suggestion:
    return Suggestion(
        kind="weight",
        trigger=trigger,
        change=f"give the term `{term}` less weight, or drop it",
        because=f"premium was needed in {right} of the {known.sample} decisions it spoke in "
        f"({known.low:.2f} to {known.high:.2f})",
        sample=known.sample,
        chance=round(binomial_tail(known.sample - right, known.sample), 6),
    )


def _terms(evidence: Iterable[Evidence]) -> Iterator[Suggestion]:
    missed: dict[str, list[set[str]]] = {}
    routine: list[set[str]] = []
    for e in evidence:
        words = set(_WORD.findall(e.text[:_TEXT_CHARS].lower()))
        if words and e.needed and e.missed:
            missed.setdefault(e.missed, []).append(words)
        elif words and not e.needed:
            routine.append(words)
    for trigger, texts in sorted(missed.items()):
        yield from _telling(trigger, texts, routine)


def _telling(trigger: str, texts: Sequence[set[str]], others: Sequence[set[str]]) -> Iterator[Suggestion]:
    """Yield the words that tell missed work from routine work best."""
    here = Counter(word for words in texts for word in words)
    there = Counter(word for words in others for word in words)
    often = [word for word, count in here.items() if count >= _LEAST_TEXTS]
    ranked = sorted(((_z(here[w], len(texts), there[w], len(others)), w) for w in often), reverse=True)
    for z, word in ranked[:_MOST_TERMS]:
        if z >= _LEAST_Z:
            yield Suggestion(
                kind="lexicon",
                trigger=trigger,
                change=f"add the term `{word}` to a lexicon it tests",
                because=f"in {here[word]} of {len(texts)} asks it missed, "
                f"in {there[word]} of {len(others)} that base did well",
                sample=len(texts) + len(others),
                chance=round(math.erfc(z / math.sqrt(2)) / 2, 6),
            )


def _z(here: int, texts: int, there: int, others: int) -> float:
    a, b = here + 0.5, texts - here + 0.5
    c, d = there + 0.5, others - there + 0.5
    return math.log(a * d / (b * c)) / math.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
