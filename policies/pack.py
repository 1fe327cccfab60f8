"""Packs: YAML text in, a compiled Policy out, or a PackError that names path, line and remedy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from policies.approval_document import overlay_approval
from policies.condition import named, parse, signal_names
from policies.data_guard import DataClass
from policies.envelope import Envelopes
from policies.escalation_triggers import build_sources
from policies.escalation_triggers.base import SignalSource
from policies.escalation_triggers.detector import Detector
from policies.escalation_triggers.lexicon import Term, compile_term
from policies.facts import Tier
from policies.origin import Level, Origin
from policies.pack_classes import ClassFault, overlaid_classes
from policies.pack_document import PackDoc, TermDoc, TriggerDoc
from policies.pack_settings import SettingFault, Settings
from policies.policy import ApprovalRules, Economy, Fallback, Fleet, Policy, Trigger
from policies.validation_document import RuleError, overlay_rules
from policies.validation_rules import ValidationRules
from policies.yaml_lines import Document, DocumentError, convert, nearest, read

MAX_WEIGHT = 1_000.0
MAX_TRIGGERS = 1_000
"""Of all packs of a stack together; every request looks at each of them."""
_TIER_ORDER: Mapping[Tier | None, int] = {None: -1, "base": 0, "premium": 1}


class PackError(ValueError):
    """A pack that cannot be used: where it stands, what is wrong and what to do."""

    def __init__(self, path: str, line: int | None, message: str) -> None:
        place = f"{path}:{line}" if line is not None else path
        super().__init__(f"{place}: {message}")
        self.path = path
        self.line = line
        self.message = message


class PackText(msgspec.Struct, frozen=True):
    """The text of one pack file and the path people know it by."""

    path: str
    text: str
    level: Level = "organisation"
    """Whose pack it is: the organisation's, laid lowest, a team's or a key's own."""


class Library(msgspec.Struct, frozen=True, kw_only=True):
    """What packs refer to but do not contain."""

    envelopes: Envelopes
    detector: Detector | None
    """None runs without learnt signals; packs that name them are refused."""


class _Read(msgspec.Struct, frozen=True):
    """A parsed pack with what is needed to complain about it."""

    source: PackText
    document: Document
    doc: PackDoc

    @property
    def origin(self) -> Origin:
        return Origin(self.source.level, self.doc.pack)

    def error(self, path: str, message: str) -> PackError:
        return PackError(self.source.path, self.document.line(path), message)


def load_pack(packs: Sequence[PackText], *, library: Library, fleet: Fleet) -> Policy:
    """Compile packs, later ones over earlier ones, into a Policy over `fleet`; raise PackError."""
    reads = [_read(pack) for pack in packs]
    lexicons = _lexicons(reads)
    sources = _sources(reads, lexicons, library)
    known = {name for source in sources for name in source.names()}
    triggers, settings, classes = _triggers(reads, known), Settings(), _classes(reads)
    validation, approval = ValidationRules(), ApprovalRules()
    for pack in reads:
        settings, validation = _overlaid(settings, pack), _validation(validation, pack)
        approval = _approval(approval, pack, triggers)
    economy = settings.section("economy", Economy)
    _check_score(economy, reads, known)
    return Policy(
        revision=revision([pack.text for pack in packs], library),
        triggers=triggers,
        sources=sources,
        envelopes=library.envelopes,
        economy=economy,
        fallback=settings.section("fallback", Fallback),
        fleet=fleet,
        answer_checks=tuple(settings.value("answer_checks.enabled", ())),
        checked_streams=settings.value("answer_checks.streams", "demanded"),
        validation=validation,
        approval=approval,
        data_classes=classes,
        reads=_prefixes(triggers, economy, classes),
        sticky_turns=settings.value("sticky_turns", 0),
        housekeeping_tier=settings.value("housekeeping_tier", "base"),
        default_tier=settings.value("default_tier", "base"),
        lexicons={name: {t.text: t.weight for t in terms} for name, terms in lexicons.items()},
        origins=settings.origins,
    )


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


def _lexicons(reads: Sequence[_Read]) -> dict[str, tuple[Term, ...]]:
    """Return all packs' terms by lexicon, a repeated term at its greatest weight."""
    lexicons: dict[str, dict[str, Term]] = {}
    for pack in reads:
        for name, docs in pack.doc.lexicons.items():
            terms = lexicons.setdefault(name, {})
            for index, doc in enumerate(docs):
                term = _term(pack, f"$.lexicons.{name}[{index}]", doc)
                terms[term.text] = max(term, terms.get(term.text, term), key=lambda t: t.weight)
    return {name: tuple(terms.values()) for name, terms in lexicons.items()}


def _sources(
    reads: Sequence[_Read], lexicons: Mapping[str, Sequence[Term]], library: Library
) -> tuple[SignalSource, ...]:
    asked = {name for pack in reads for doc in pack.doc.triggers if doc.when for name in named(doc.when)}
    try:
        return build_sources(lexicons, library.detector, asked)
    except ValueError as error:
        raise _last_to_say(reads, "$.lexicons").error("$.lexicons", str(error)) from None


def _term(pack: _Read, path: str, doc: str | TermDoc) -> Term:
    term = Term(doc) if isinstance(doc, str) else Term(doc.term, doc.weight)
    if not 0.0 < term.weight <= MAX_WEIGHT:
        message = f"weight `{term.weight}` is not above 0 and up to {MAX_WEIGHT:.0f}; correct it"
        raise pack.error(f"{path}.weight", message)
    try:
        compile_term(term)
    except ValueError as error:
        raise pack.error(path, str(error)) from None
    return term


def _triggers(reads: Sequence[_Read], known: set[str]) -> tuple[Trigger, ...]:
    triggers: dict[str, Trigger] = {}
    for pack in reads:
        _check_repeats(pack)
        for index, doc in enumerate(pack.doc.triggers):
            path = f"$.triggers[{index}]"
            earlier = triggers.get(doc.id)
            if doc.disabled:
                _check_disabled(pack, path, doc.id, triggers)
                del triggers[doc.id]
                continue
            trigger = _trigger(pack, doc, path, known)
            triggers[doc.id] = trigger if earlier is None else _over(pack, path, earlier, trigger)
            if len(triggers) > MAX_TRIGGERS:
                raise pack.error(path, f"more than {MAX_TRIGGERS} triggers together; merge some")
    return tuple(sorted(triggers.values(), key=lambda t: (-t.priority, t.id)))


def _check_repeats(pack: _Read) -> None:
    seen: set[str] = set()
    for index, doc in enumerate(pack.doc.triggers):
        if doc.id in seen:
            raise pack.error(f"$.triggers[{index}]", f"trigger `{doc.id}` is given twice; keep one")
        seen.add(doc.id)


def _check_disabled(pack: _Read, path: str, name: str, triggers: Mapping[str, Trigger]) -> None:
    if name not in triggers:
        hint = nearest(name, triggers) or "; name one of an earlier pack"
        raise pack.error(path, f"no trigger is called `{name}`{hint}")
    if triggers[name].locked:
        raise pack.error(path, _locked(triggers[name]))


def _over(pack: _Read, path: str, earlier: Trigger, later: Trigger) -> Trigger:
    """Return the later of two triggers of one id; a lock lasts, and refuses what weakens or changes it."""
    weaker = _TIER_ORDER[later.floor] < _TIER_ORDER[earlier.floor]
    if earlier.locked and (weaker or later.when != earlier.when):
        raise pack.error(path, _locked(earlier))
    return replace(later, locked=later.locked or earlier.locked)


def _locked(trigger: Trigger) -> str:
    return f"trigger `{trigger.id}` is locked by pack `{trigger.layer}`; give yours another id"


def _trigger(pack: _Read, doc: TriggerDoc, path: str, known: set[str]) -> Trigger:
    if doc.when is None or not doc.kind or not doc.reason:
        raise pack.error(path, f"trigger `{doc.id}` needs `kind`, `when` and `reason`; add them")
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
        level=pack.source.level,
        priority=doc.priority,
        floor=doc.floor,
        locked=doc.locked,
    )


def _overlaid(settings: Settings, pack: _Read) -> Settings:
    try:
        return settings.overlaid(pack.doc, pack.origin)
    except SettingFault as fault:
        raise pack.error(f"$.{fault.path}", str(fault)) from None


def _classes(reads: Sequence[_Read]) -> tuple[DataClass, ...]:
    classes: tuple[DataClass, ...] = ()
    for pack in reads:
        try:
            classes = overlaid_classes(classes, pack.doc.data_classes, pack.origin)
        except ClassFault as fault:
            raise pack.error(f"$.data_classes[{fault.index}]", str(fault)) from None
    return classes


def _validation(below: ValidationRules, pack: _Read) -> ValidationRules:
    try:
        return overlay_rules(below, pack.doc.validation)
    except RuleError as error:
        raise pack.error(f"$.validation.{error.path}", error.message) from None


def _approval(below: ApprovalRules, pack: _Read, triggers: Iterable[Trigger]) -> ApprovalRules:
    try:
        return overlay_approval(below, pack.doc.approval, {t.id for t in triggers})
    except RuleError as error:
        raise pack.error(f"$.approval.{error.path}", error.message) from None


def _prefixes(triggers: Iterable[Trigger], economy: Economy, classes: Iterable[DataClass]) -> frozenset[str]:
    """Return the prefixes of every signal that is read, so that what nobody asks for is not measured."""
    names = [name for trigger in triggers for name in signal_names(trigger.when)]
    names += [economy.score] if economy.enabled else []
    names += ["data."] if any(each.found for each in classes) else []
    return frozenset(name.partition(".")[0] for name in names)


def _check_score(economy: Economy, reads: Sequence[_Read], known: set[str]) -> None:
    if reads and economy.enabled and economy.score not in known:
        alike = {name for name in known if name.split(".")[0] == economy.score.split(".")[0]}
        hint = nearest(economy.score, alike) or "; set economy.enabled to false"
        path = "$.economy.score"
        raise _last_to_say(reads, path).error(path, f"no signal is called `{economy.score}`{hint}")


def _last_to_say(reads: Sequence[_Read], path: str) -> _Read:
    """Return the pack to blame for what stands at `path`: the last that says it, or else the last."""
    return next((pack for pack in reversed(reads) if path in pack.document.lines), reads[-1])
