"""The settings of packs, later ones over earlier ones: who said what last, and what may not be changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar, cast

import msgspec

from policies.answer_checks import CHECK_NAMES
from policies.origin import Origin
from policies.pack_document import PackDoc
from policies.policy import Economy, Fallback
from policies.yaml_faults import nearest

_T = TypeVar("_T")
_SECTIONS = {"economy": Economy, "fallback": Fallback}
_BARE = ("sticky_turns", "housekeeping_tier", "default_tier")
SETTINGS = (
    *(f"{name}.{part}" for name, section in _SECTIONS.items() for part in section.__struct_fields__),
    "answer_checks.enabled",
    "answer_checks.streams",
    *_BARE,
)
"""Every setting by its path in a pack."""
_SHARES = ("economy.threshold", "economy.target_share")
_COUNTS = {"economy.expected_output_tokens": "tokens", "sticky_turns": "turns"}


MAX_COUNT = 1_000_000


class SettingFault(ValueError):
    """A setting that cannot be used; `path` says where it stands in the pack."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


class Settings(msgspec.Struct, frozen=True):
    """What packs say, by path; a setting no pack gives keeps the engine's own value."""

    values: Mapping[str, object] = msgspec.field(default_factory=dict)
    origins: Mapping[str, Origin] = msgspec.field(default_factory=dict)
    locks: Mapping[str, Origin] = msgspec.field(default_factory=dict)

    def overlaid(self, doc: PackDoc, origin: Origin) -> Settings:
        """Return the settings with a pack's own laid over them; raise SettingFault."""
        given = dict(_given(doc))
        for path, value in given.items():
            _check(path, value)
            lock = self.locks.get(path)
            if lock is not None and value != self.values.get(path):
                message = f"`{path}` is locked by pack `{lock.pack}`; leave it out"
                raise SettingFault(path, message)
        locks = dict.fromkeys(_locks(doc), origin)
        return Settings(
            {**self.values, **given},
            {**self.origins, **dict.fromkeys(given, origin)},
            {**locks, **self.locks},
        )

    def value(self, path: str, default: _T) -> _T:
        """Return what was said last of a setting, or else `default`."""
        return cast("_T", self.values.get(path, default))

    def section(self, name: str, kind: type[_T]) -> _T:
        """Return a section as its own type."""
        prefix = f"{name}."
        given = {p.removeprefix(prefix): v for p, v in self.values.items() if p.startswith(prefix)}
        return msgspec.convert(given, kind)


def _given(doc: PackDoc) -> Iterator[tuple[str, object]]:
    """Yield the settings that a pack spells out."""
    for name in (*_SECTIONS, "answer_checks"):
        for part, value in msgspec.structs.asdict(getattr(doc, name)).items():
            if value is not None:
                yield f"{name}.{part}", value
    for name in _BARE:
        if getattr(doc, name) is not None:
            yield name, getattr(doc, name)


def _locks(doc: PackDoc) -> Iterator[str]:
    for index, path in enumerate(doc.locks):
        if path not in SETTINGS:
            hint = nearest(path, SETTINGS) or f"; choose of {', '.join(SETTINGS)}"
            raise SettingFault(f"locks[{index}]", f"no setting is called `{path}`{hint}")
        yield path


def _check(path: str, value: object) -> None:
    if path in _SHARES and isinstance(value, float) and not 0.0 <= value <= 1.0:
        raise SettingFault(path, f"`{value}` is outside 0..1; give a share")
    if path in _COUNTS and isinstance(value, int) and not 0 <= value <= MAX_COUNT:
        raise SettingFault(path, f"`{value}` {_COUNTS[path]} cannot be; give 0 to {MAX_COUNT}")
    if path == "answer_checks.enabled" and isinstance(value, list):
        for index, name in enumerate(value):
            if name not in CHECK_NAMES:
                hint = nearest(name, CHECK_NAMES) or f"; choose of {', '.join(CHECK_NAMES)}"
                raise SettingFault(f"{path}[{index}]", f"no answer check is called `{name}`{hint}")
