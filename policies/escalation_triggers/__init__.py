"""Signal sources. To add one: write its file, add its line here, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from policies.escalation_triggers.base import SignalSource
from policies.escalation_triggers.context import ContextSource
from policies.escalation_triggers.conversation import ConversationSource
from policies.escalation_triggers.data_class import DataClassSource
from policies.escalation_triggers.declared import DeclaredSource
from policies.escalation_triggers.detector import Detector
from policies.escalation_triggers.learnt import DetectorSource
from policies.escalation_triggers.lexicon import LexiconSource, Term
from policies.escalation_triggers.request import RequestSource
from policies.escalation_triggers.structure import StructureSource

_Build = Callable[[Mapping[str, Sequence[Term]], Detector | None, Collection[str]], SignalSource | None]

SOURCES: tuple[_Build, ...] = (
    lambda lexicons, *_: LexiconSource(lexicons),
    lambda _, detector, __: None if detector is None else DetectorSource(detector),
    lambda *_: StructureSource(),
    lambda *_: ConversationSource(),
    lambda *_: RequestSource(),
    lambda *_: DataClassSource(),
    lambda *_: ContextSource(),
    lambda _, __, asked: DeclaredSource(asked),
)


def build_sources(
    lexicons: Mapping[str, Sequence[Term]], detector: Detector | None, asked: Collection[str] = ()
) -> tuple[SignalSource, ...]:
    """Return every source a policy measures with; raise ValueError for a lexicon that does not compile.

    `asked` are the names of the signals that the policy's conditions read.
    """
    built = (build(lexicons, detector, asked) for build in SOURCES)
    return tuple(source for source in built if source is not None)
