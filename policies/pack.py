"""Packs: YAML text in, a compiled Policy out, or a PackError that names path, line and remedy."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import msgspec

from policies.condition import ConditionDoc, parse, signal_names
from policies.envelope import Envelopes
from policies.escalation_triggers import build_sources
from policies.escalation_triggers.base import SignalSource
from policies.escalation_triggers.detector import Detector
from policies.escalation_triggers.lexicon import Term
from policies.facts import Tier
from policies.policy import Economy, Fallback, Fleet, Policy, Trigger
from policies.yaml_lines import Document, DocumentError, convert, nearest, read

_TIER_ORDER: Mapping[Tier | None, int] = {None: -1, "base": 0, "premium": 1}


class PackError(ValueError):
    """A pack that cannot be used: where it stands, what is wrong and what to do."""

    def __init__(self, path: str, line: int | None, message: str) -> None:
        place = f"{path}:{line}" if line is not None else path
        super().__init__(f"{place}: {message}")
        self.path = path
        self.line = line
        self.message = message


@dataclass(frozen=True, slots=True)
class PackText:
    """The text of one pack file and the path people know it by."""

    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """What packs refer to but do not contain."""

    envelopes: Envelopes
    detector: Detector | None
    """None runs without learnt signals; packs that name them are refused."""


class TermDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A lexicon term with a weight of its own."""

    term: str
    weight: float = 1.0


class TriggerDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A trigger as written: what it tests and what firing demands."""

    id: str
    kind: str
    when: ConditionDoc
    reason: str
    floor: Tier | None = None
    priority: int = 0
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


class PackDoc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One pack file."""

    pack: str
    description: str = ""
    lexicons: dict[str, list[str | TermDoc]] = {}
    triggers: list[TriggerDoc] = []
    economy: EconomyDoc = EconomyDoc()
    fallback: FallbackDoc = FallbackDoc()
    sticky_turns: int | None = None
    housekeeping_tier: Tier | None = None
    default_tier: Tier | None = None


@dataclass(frozen=True, slots=True)
class _Read:
    """A parsed pack with what is needed to complain about it."""

    source: PackText
    document: Document
    doc: PackDoc

    def error(self, path: str, message: str) -> PackError:
        return PackError(self.source.path, self.document.line(path), message)


def load_pack(packs: Sequence[PackText], *, library: Library, fleet: Fleet) -> Policy:
    """Compile packs, later ones over earlier ones, into a Policy over `fleet`; raise PackError."""
    reads = [_read(pack) for pack in packs]
    sources = _sources(reads, library)
    known = {name for source in sources for name in source.names()}
    triggers = _triggers(reads, known)
    policy = Policy(
        revision=revision([pack.text for pack in packs], library),
        triggers=triggers,
        sources=sources,
        envelopes=library.envelopes,
        economy=Economy(),
        fallback=Fallback(),
        fleet=fleet,
    )
    for pack in reads:
        policy = _overlaid(policy, pack)
    _check_economy(policy, reads[-1] if reads else None, known)
    return policy


def revision(texts: Iterable[str], library: Library) -> str:
    """Return the content hash of packs, envelopes and detector: twelve hex digits."""
    digest = hashlib.sha256()
    detector = library.detector.revision if library.detector else "none"
    for part in (*texts, library.envelopes.revision, detector):
        digest.update(hashlib.sha256(part.encode("utf-8", "surrogatepass")).digest())
    return digest.hexdigest()[:12]


def _read(source: PackText) -> _Read:
    try:
        document = read(source.text)
        doc = convert(document, PackDoc)
    except DocumentError as error:
        raise PackError(source.path, error.line, error.message) from None
    return _Read(source, document, doc)


def _sources(reads: Sequence[_Read], library: Library) -> tuple[SignalSource, ...]:
    lexicons: dict[str, list[Term]] = {}
    for pack in reads:
        for name, terms in pack.doc.lexicons.items():
            lexicons.setdefault(name, []).extend(_term(pack, name, index, t) for index, t in enumerate(terms))
    try:
        return build_sources(lexicons, library.detector)
    except ValueError as error:
        raise reads[-1].error("$.lexicons", str(error)) from None


def _term(pack: _Read, name: str, index: int, doc: str | TermDoc) -> Term:
    term = Term(doc) if isinstance(doc, str) else Term(doc.term, doc.weight)
    if not math.isfinite(term.weight):
        raise pack.error(
            f"$.lexicons.{name}[{index}]", f"weight `{term.weight}` is not finite; give a number"
        )
    return term


def _triggers(reads: Sequence[_Read], known: set[str]) -> tuple[Trigger, ...]:
    triggers: dict[str, Trigger] = {}
    for pack in reads:
        for index, doc in enumerate(pack.doc.triggers):
            path = f"$.triggers[{index}]"
            trigger = _trigger(pack, doc, path, known)
            _check_lock(pack, path, triggers.get(doc.id), doc)
            if doc.disabled:
                triggers.pop(doc.id, None)
            else:
                triggers[doc.id] = trigger
    return tuple(sorted(triggers.values(), key=lambda t: (-t.priority, t.id)))


def _trigger(pack: _Read, doc: TriggerDoc, path: str, known: set[str]) -> Trigger:
    try:
        condition = parse(doc.when)
    except ValueError as error:
        raise pack.error(f"{path}.when", f"trigger `{doc.id}`: {error}") from None
    for name in signal_names(condition):
        if name not in known:
            raise pack.error(f"{path}.when", f"no signal is called `{name}`{nearest(name, known)}")
    return Trigger(
        id=doc.id,
        kind=doc.kind,
        when=condition,
        reason=doc.reason,
        layer=pack.doc.pack,
        priority=doc.priority,
        floor=doc.floor,
        locked=doc.locked,
    )


def _check_lock(pack: _Read, path: str, earlier: Trigger | None, doc: TriggerDoc) -> None:
    """Refuse a later pack that removes or weakens a locked trigger."""
    if earlier is None or not earlier.locked:
        return
    weaker = doc.disabled or _TIER_ORDER[doc.floor] < _TIER_ORDER[earlier.floor]
    if weaker or parse(doc.when) != earlier.when:
        message = f"trigger `{doc.id}` is locked by pack `{earlier.layer}`; give yours another id"
        raise pack.error(path, message)


def _overlaid(policy: Policy, pack: _Read) -> Policy:
    doc = pack.doc
    given = {
        name: value
        for name in ("sticky_turns", "housekeeping_tier", "default_tier")
        if (value := getattr(doc, name)) is not None
    }
    if doc.sticky_turns is not None and doc.sticky_turns < 0:
        raise pack.error("$.sticky_turns", f"`{doc.sticky_turns}` turns cannot be; give 0 or more")
    return replace(
        policy,
        economy=msgspec.convert(asdict(policy.economy) | _given(doc.economy), Economy),
        fallback=msgspec.convert(asdict(policy.fallback) | _given(doc.fallback), Fallback),
        **given,
    )


def _given(section: msgspec.Struct) -> dict[str, object]:
    """Return the fields of a section that the pack spelt out."""
    return {name: value for name, value in msgspec.structs.asdict(section).items() if value is not None}


def _check_economy(policy: Policy, pack: _Read | None, known: set[str]) -> None:
    economy = policy.economy
    if pack is None:
        return
    if economy.enabled and economy.score not in known:
        hint = nearest(economy.score, known)
        raise pack.error("$.economy.score", f"no signal is called `{economy.score}`{hint}")
    if not 0.0 <= economy.threshold <= 1.0:
        raise pack.error("$.economy.threshold", f"`{economy.threshold}` is outside 0..1")
    if economy.target_share is not None and not 0.0 <= economy.target_share <= 1.0:
        raise pack.error("$.economy.target_share", f"`{economy.target_share}` is outside 0..1")
