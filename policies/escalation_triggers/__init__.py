"""Signal sources. To add one: write its file, add its line here, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from policies.escalation_triggers.base import SignalSource
from policies.escalation_triggers.conversation import ConversationSource
from policies.escalation_triggers.detector import Detector
from policies.escalation_triggers.learnt import DetectorSource
from policies.escalation_triggers.lexicon import LexiconSource, Term
from policies.escalation_triggers.request import RequestSource
from policies.escalation_triggers.structure import StructureSource

_Build = Callable[[Mapping[str, Sequence[Term]], Detector | None], SignalSource | None]

SOURCES: tuple[_Build, ...] = (
    lambda lexicons, _: LexiconSource(lexicons),
    lambda _, detector: None if detector is None else DetectorSource(detector),
    lambda _, __: StructureSource(),
    lambda _, __: ConversationSource(),
    lambda _, __: RequestSource(),
)


def build_sources(
    lexicons: Mapping[str, Sequence[Term]], detector: Detector | None
) -> tuple[SignalSource, ...]:
    """Return every source a policy measures with; raise ValueError for a lexicon that does not compile."""
    built = (build(lexicons, detector) for build in SOURCES)
    return tuple(source for source in built if source is not None)
