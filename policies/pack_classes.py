"""The data classes of packs: later ones over earlier ones; a locked class may only be made narrower."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from policies.data_guard import DataClass
from policies.origin import Origin
from policies.pack_document import DataClassDoc
from policies.sensitive_data import GROUPS, KINDS
from policies.yaml_faults import nearest


class ClassFault(ValueError):
    """A data class that cannot be used; `index` says which of the pack's list."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


def overlaid_classes(
    known: Iterable[DataClass], docs: Iterable[DataClassDoc], origin: Origin
) -> tuple[DataClass, ...]:
    """Return the classes with a pack's own laid over them, by name; raise ClassFault."""
    classes, given = {each.name: each for each in known}, set[str]()
    for index, doc in enumerate(docs):
        if doc.name in given:
            raise ClassFault(index, f"data class `{doc.name}` is given twice; keep one")
        given.add(doc.name)
        later = _compiled(index, doc, origin)
        earlier = classes.get(doc.name)
        if earlier is not None and earlier.locked and not _is_narrower(later, earlier):
            by = earlier.origin.pack
            raise ClassFault(index, f"data class `{doc.name}` is locked by pack `{by}`; only narrow it")
        classes[doc.name] = replace(later, locked=later.locked or (earlier is not None and earlier.locked))
    return tuple(classes.values())


def _compiled(index: int, doc: DataClassDoc, origin: Origin) -> DataClass:
    for name in doc.found:
        if name not in KINDS and name not in GROUPS:
            hint = nearest(name, (*KINDS, *GROUPS)) or f"; choose of {', '.join((*GROUPS, *KINDS))}"
            raise ClassFault(index, f"no kind of data is called `{name}`{hint}")
    return DataClass(
        name=doc.name,
        found=frozenset(_kinds(doc.found)),
        at_least=doc.at_least,
        providers=None if doc.providers is None else frozenset(doc.providers),
        deployments=None if doc.deployments is None else frozenset(doc.deployments),
        waived_by=frozenset(doc.waived_by),
        locked=doc.locked,
        origin=origin,
    )


def _kinds(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        yield from GROUPS.get(name, (name,))


def _is_narrower(later: DataClass, earlier: DataClass) -> bool:
    """Tell whether the later class catches no less and admits no more."""
    admitted = not earlier.restricts or (
        later.restricts
        and (later.providers or frozenset()) <= (earlier.providers or frozenset())
        and (later.deployments or frozenset()) <= (earlier.deployments or frozenset())
    )
    catches = later.found >= earlier.found and later.at_least <= earlier.at_least
    return admitted and catches and later.waived_by <= earlier.waived_by
