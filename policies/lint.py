"""What a pack says that cannot be meant: bounds out of reach, floors weakened in passing, unknown names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from policies.condition import Compare, ConditionDoc, parse, signal_names
from policies.pack import PackText
from policies.pack_document import PackDoc, TriggerDoc
from policies.policy import Policy
from policies.yaml_lines import Document, convert, nearest, read

_SHARES = (
    "detector.",
    "context.risk_",
    "context.impact_",
    "context.coverage",
    "request.declared_",
    "declared.",
    "data.coverage",
)
"""Signals that lie in 0..1."""
_Found = tuple[str, str]
"""Where in the pack (`$.a[0].b`), and what is odd there."""


class Oddity(msgspec.Struct, frozen=True):
    """A warning: the pack's file, the line, what is odd there and what to do."""

    path: str
    line: int
    message: str


def warnings(below: Policy | None, policy: Policy, packs: Sequence[PackText]) -> tuple[Oddity, ...]:
    """Return what is odd about the last of `packs`, in the order of its lines.

    `policy` is what they compile to, `below` the same without the last one.
    """
    documents = [read(pack.text) for pack in packs]
    docs = [convert(document, PackDoc) for document in documents]
    last, document, path = docs[-1], documents[-1], packs[-1].path
    found = [
        *_taken(last, docs[:-1]),
        *(odd for place, trigger in _placed(last) for odd in _trigger(place, trigger, below)),
        *_beyond(policy, document),
        *_unread(last, policy),
        *_nobody(last, policy),
    ]
    odd = (Oddity(path, document.line(place) or 1, message) for place, message in found)
    return tuple(sorted(odd, key=lambda each: each.line))


def _taken(last: PackDoc, earlier: Sequence[PackDoc]) -> Iterator[_Found]:
    if last.pack in {doc.pack for doc in earlier}:
        yield "$.pack", f"another pack below is called `{last.pack}` too; give this one its own name"


def _placed(doc: PackDoc) -> Iterator[tuple[str, TriggerDoc]]:
    return ((f"$.triggers[{index}]", trigger) for index, trigger in enumerate(doc.triggers))


def _trigger(place: str, trigger: TriggerDoc, below: Policy | None) -> Iterator[_Found]:
    known = None if below is None else next((t for t in below.triggers if t.id == trigger.id), None)
    where = f"trigger `{trigger.id}`"
    if trigger.disabled:
        if known is not None and known.floor is not None:
            told = f"{where} of pack `{known.layer}` demands {known.floor} and is disabled"
            yield f"{place}.disabled", f"{told}; raise its bounds instead, or say why in a comment"
        return
    if trigger.when is None:
        return
    yield from ((at, f"{where}: {odd}") for at, odd in _unreachable(f"{place}.when", trigger.when))
    if known is None:
        return
    if known.floor == "premium" and trigger.floor != "premium":
        yield place, f"{where} replaces one of pack `{known.layer}` and drops its floor; add `floor: premium`"
    elif known.when != parse(trigger.when):
        yield f"{place}.id", f"{where} replaces that of pack `{known.layer}`; give it an id of its own"


def _unreachable(place: str, doc: ConditionDoc) -> Iterator[_Found]:
    """Yield comparisons no value can meet, in every condition that is not negated."""
    if doc.signal is not None:
        compare = parse(doc)
        if isinstance(compare, Compare) and doc.signal.startswith(_SHARES) and _is_past(compare, 1.0):
            yield place, f"{compare.signal} never exceeds 1; lower {compare.bound:g}"
    if doc.all is not None:
        yield from _contradictions(place, doc.all)
    for name, parts in (("all", doc.all), ("any", doc.any)):
        for index, part in enumerate(parts or ()):
            yield from _unreachable(f"{place}.{name}[{index}]", part)


def _is_past(compare: Compare, most: float) -> bool:
    return (
        compare.bound > most
        if compare.comparison == "at_least"
        else compare.comparison == "above" and compare.bound >= most
    )


def _contradictions(place: str, docs: Sequence[ConditionDoc]) -> Iterator[_Found]:
    parsed = [(f"{place}.all[{index}]", parse(doc)) for index, doc in enumerate(docs)]
    parts = [(at, part) for at, part in parsed if isinstance(part, Compare)]
    for _, low in (each for each in parts if not each[1].is_ceiling):
        for at, high in (each for each in parts if each[1].is_ceiling and each[1].signal == low.signal):
            if low.bound > high.bound:
                yield (
                    at,
                    f"{low.signal} cannot be both from {low.bound:g} and up to {high.bound:g}; correct one",
                )


def _beyond(policy: Policy, document: Document) -> Iterator[_Found]:
    economy, place = policy.economy, "$.economy.threshold"
    if place not in document.lines or not economy.enabled or not economy.score.startswith(_SHARES):
        return
    if economy.threshold >= 1.0 and economy.target_share is None:
        told = f"economy.threshold {economy.threshold:g} is hardly ever reached"
        yield place, f"{told}; say `enabled: false` if that is meant"


def _unread(doc: PackDoc, policy: Policy) -> Iterator[_Found]:
    """Yield the pack's lexicons that no trigger reads."""
    read_names = {name for trigger in policy.triggers for name in signal_names(trigger.when)}
    for name in doc.lexicons:
        if f"lexicon.{name}" not in read_names and policy.economy.score != f"lexicon.{name}":
            yield f"$.lexicons.{name}", f"no trigger reads lexicon.{name}; test it in one or remove it"


def _nobody(doc: PackDoc, policy: Policy) -> Iterator[_Found]:
    """Yield providers and deployments of data classes that the configuration does not have."""
    deployments = policy.fleet.deployments.values()
    providers = {deployment.provider for deployment in deployments}
    names = {name for deployment in deployments for name in (deployment.id, deployment.model_name)}
    for index, data_class in enumerate(doc.data_classes):
        for key, given, known in (
            ("providers", data_class.providers, providers),
            ("deployments", data_class.deployments, names),
        ):
            for at, name in enumerate(given or ()):
                if name not in known:
                    hint = nearest(name, known) or f"; the configuration has {', '.join(sorted(known))}"
                    told = f"class `{data_class.name}` names `{name}`, which is none of the {key}{hint}"
                    yield f"$.data_classes[{index}].{key}[{at}]", told
