"""The layers of a policy: the organisation's packs, a team's over them, a key's on top; all tested."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from gateway.config_file import Configuration, default_configuration
from gateway.errors import ConfigError
from gateway.pack_files import PACKS, load_library, load_reach, read_pack, resolve_pack, test_file
from policies.origin import Level
from policies.pack import Library, PackError, PackText, load_pack
from policies.pack_tests import Failure, run_cases
from policies.policy import Fleet, Policy
from policies.yaml_lines import DocumentError

MAX_KEY_POLICIES = 128
"""Policies of keys that are kept compiled; the one compiled first is forgotten first."""
Packs = tuple[str, ...]
Stack = Sequence[tuple[Path, Level]]
"""Packs with the layer each stands in, the lowest first."""


class Policies(msgspec.Struct, frozen=True, kw_only=True):
    """The organisation's policy, those of teams with packs of their own, and those of keys as they come."""

    organisation: Policy
    teams: Mapping[str, Policy]
    configuration: Configuration
    library: Library
    keys: dict[tuple[str, Packs], Policy | ConfigError] = msgspec.field(default_factory=dict)
    """By team and packs: what was compiled for keys so far, or why it could not be."""

    def for_team(self, team: str) -> Policy:
        """Return the policy that rules a team."""
        return self.teams.get(team, self.organisation)

    def for_key(self, team: str, packs: Packs) -> Policy:
        """Return the policy of a team's key, its packs over the team's; raise ConfigError."""
        if not packs:
            return self.for_team(team)
        known = self.keys.get((team, packs))
        if known is None:
            known = self._lay(team, packs)
        if isinstance(known, ConfigError):
            raise ConfigError(known.message)
        return known

    def _lay(self, team: str, packs: Packs) -> Policy | ConfigError:
        laid: Policy | ConfigError
        try:
            laid = self.compiled(team, packs)
        except ConfigError as error:
            laid = error
        while len(self.keys) >= MAX_KEY_POLICIES:
            self.keys.pop(next(iter(self.keys)), None)
        self.keys[team, packs] = laid
        return laid

    def compiled(self, team: str, packs: Packs) -> Policy:
        """Return the policy of a team with a key's packs over it, tested; raise ConfigError."""
        below = configured_layers(self.configuration, team)
        stack = configured_layers(self.configuration, team, packs)
        return _compile_tested(stack, self.library, self.organisation.fleet, tested_from=len(below))


def load_policies(configuration: Configuration, fleet: Fleet) -> Policies:
    """Compile every pack and run the tests beside it; raise ConfigError for the first that fails."""
    library, settings = load_library(), configuration.settings
    common = configured_layers(configuration)
    teams: dict[str, Policy] = {}
    for team in settings.teams:
        if team.packs:
            stack = configured_layers(configuration, team.name)
            teams[team.name] = _compile_tested(stack, library, fleet, tested_from=len(common))
    for offered in settings.policy.key_packs:
        stack = configured_layers(configuration, packs=(offered,))
        _compile_tested(stack, library, fleet, tested_from=len(common))
    return Policies(
        organisation=_compile_tested(common, library, fleet),
        teams=teams,
        configuration=configuration,
        library=library,
    )


def configured_layers(configuration: Configuration, team: str = "", packs: Packs = ()) -> Stack:
    """Return the packs that rule a team's key with these of its own; raise ConfigError."""
    settings, folder = configuration.settings, configuration.folder
    for name in packs:
        if name not in settings.policy.key_packs:
            offered = ", ".join(settings.policy.key_packs) or "none is"
            raise ConfigError(
                f"no key may carry the pack `{name[:64]}`; "
                f"the configuration's `policy.key_packs` name those that may: {offered}"
            )
    of_team = next((entry.packs for entry in settings.teams if entry.name == team), ())
    return (
        *_levelled(settings.policy.packs, folder, "organisation"),
        *_levelled(of_team, folder, "team"),
        *_levelled(packs, folder, "key"),
    )


def configured_stacks(configuration: Configuration) -> Iterator[Stack]:
    """Yield each configured pack with what lies below it, the organisation's first; raise ConfigError."""
    settings, common = configuration.settings, configured_layers(configuration)
    yield from (common[:end] for end in range(1, len(common) + 1))
    for team in settings.teams:
        stack = configured_layers(configuration, team.name)
        yield from (stack[:end] for end in range(len(common) + 1, len(stack) + 1))
    for offered in settings.policy.key_packs:
        yield configured_layers(configuration, packs=(offered,))


def stack_of(pack: Path, configuration: Configuration, team: str = "", packs: Packs = ()) -> Stack:
    """Return a pack with what lies below it; raise ConfigError.

    With a team or a key's packs: in those layers, or on top of them all. Otherwise where the configuration
    has it first; one that it does not have lies over the organisation's.
    """
    layers = configured_layers(configuration, team, packs)
    named = [layers] if team or packs else list(configured_stacks(configuration))
    for stack in named:
        for end, (path, _) in enumerate(stack, 1):
            if path == pack:
                return stack[:end]
    return (*layers, (pack, layers[-1][1] if layers else "organisation"))


def compile_stack(stack: Stack, fleet: Fleet) -> Policy:
    """Return the policy of pack files in their layers, untested; raise ConfigError."""
    return _compile(stack, load_library(), fleet)


def compile_texts(texts: Sequence[PackText], fleet: Fleet) -> Policy:
    """Return the policy of pack texts, each laid over those before it; raise ConfigError."""
    try:
        return load_pack(texts, library=load_library(), fleet=fleet)
    except PackError as error:
        raise ConfigError(error.message, path=error.path, line=error.line) from None


def run_pack_tests(pack: Path, policy: Policy) -> tuple[int, tuple[Failure, ...]]:
    """Return how many cases stand beside a pack and those that fail; raise ConfigError for a bad file.

    They are run on the reference fleet, one cheap and one premium model: a pack's tests speak of the pack,
    whatever deployments its user has.
    """
    reference = load_reach(default_configuration()).fleet
    tests = read_pack(test_file(pack))
    try:
        return run_cases(tests.text, replace(policy, fleet=reference))
    except DocumentError as error:
        raise ConfigError(error.message, path=tests.path, line=error.line) from None


def _levelled(names: Iterable[str], folder: Path, level: Level) -> Iterator[tuple[Path, Level]]:
    yield from ((resolve_pack(name, folder), level) for name in names)


def _compile_tested(stack: Stack, library: Library, fleet: Fleet, *, tested_from: int = 0) -> Policy:
    """Compile a stack and run the tests of the user's own packs, each on the stack up to it.

    Built-in packs were tested before they were shipped, and must not forbid what is laid over them.
    """
    policy = _compile(stack, library, fleet)
    for end in range(tested_from + 1, len(stack) + 1):
        path = stack[end - 1][0]
        if path.parent != PACKS and test_file(path).exists():
            _run_tests(path, policy if end == len(stack) else _compile(stack[:end], library, fleet))
    return policy


def stack_texts(stack: Stack) -> list[PackText]:
    """Return the texts of pack files, each in its layer; raise ConfigError."""
    texts = (read_pack(path) for path, _ in stack)
    return [PackText(pack.path, pack.text, level) for pack, (_, level) in zip(texts, stack, strict=True)]


def _compile(stack: Stack, library: Library, fleet: Fleet) -> Policy:
    try:
        return load_pack(stack_texts(stack), library=library, fleet=fleet)
    except PackError as error:
        raise ConfigError(error.message, path=error.path, line=error.line) from None


def _run_tests(pack: Path, policy: Policy) -> None:
    path = test_file(pack)
    if not path.exists():
        return
    _, failures = run_pack_tests(pack, policy)
    if failures:
        first = failures[0]
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        message = f"pack test `{first.name}` failed: {first.message}{more}"
        raise ConfigError(message, path=str(path), line=first.line)
