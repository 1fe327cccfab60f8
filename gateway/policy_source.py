"""Where policies come from: packs are read, compiled, tested and swapped in; the last good stays."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import structlog
from msgspec.structs import replace

import policies
from gateway.config_file import Configuration, default_configuration
from gateway.errors import ConfigError, PolicyUnavailable
from gateway.exchange import Principal
from gateway.fleet import Reach, build_reach
from policies.context_analysis import Rules, compile_rules
from policies.envelope import Envelopes
from policies.escalation_triggers.detector import Detector
from policies.origin import Level
from policies.pack import Library, PackError, PackText, load_pack
from policies.pack_document import PackDoc
from policies.pack_tests import Failure, run_cases
from policies.policy import Fleet, Policy
from policies.prices import load_prices, overlay
from policies.pricing import PriceTable
from policies.yaml_lines import DocumentError, convert, read

BUILT_IN = Path(policies.__file__).parent
PACKS = BUILT_IN / "packs"
MAX_PACK_BYTES = 4 * 2**20
MAX_KEY_POLICIES = 128
"""Policies of keys that are kept compiled; the one compiled first is forgotten first."""
Packs = tuple[str, ...]
Stack = Sequence[tuple[Path, Level]]
"""Packs with the layer each stands in, the lowest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The organisation's policy, those of teams with packs of their own, and those of keys as they come."""

    organisation: Policy
    teams: Mapping[str, Policy]
    configuration: Configuration
    library: Library
    keys: dict[tuple[str, Packs], Policy | ConfigError] = field(default_factory=dict)
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
        settings, folder = self.configuration.settings, self.configuration.folder
        for name in packs:
            if name not in settings.policy.key_packs:
                offered = ", ".join(settings.policy.key_packs) or "none is"
                raise ConfigError(
                    f"no key may carry the pack `{name[:64]}`; "
                    f"the configuration's `policy.key_packs` name those that may: {offered}"
                )
        common = [resolve_pack(name, folder) for name in settings.policy.packs]
        teams = next((entry.packs for entry in settings.teams if entry.name == team), [])
        below = [*_levelled(common, "organisation"), *_levelled(_resolved(teams, folder), "team")]
        stack = [*below, *_levelled(_resolved(packs, folder), "key")]
        return _compile_tested(stack, self.library, self.organisation.fleet, tested_from=len(below))


class PolicySource:
    """The policies in force, replaced as a whole when their files change and still pass their tests."""

    def __init__(self, configuration: Configuration, reach: Reach) -> None:
        """Load; raise ConfigError naming path, line and remedy."""
        self._configuration = configuration
        self._reach = reach
        self._current = load_policies(configuration, reach.fleet)
        self._stamps = self._read_stamps()
        self.last_error: str | None = None
        """Why the newest files were not taken; None when they were."""

    @property
    def reach(self) -> Reach:
        """Return the deployments the policies choose among."""
        return self._reach

    @property
    def revision(self) -> str:
        """Return the organisation policy's revision."""
        return self._current.organisation.revision

    def for_team(self, team: str) -> Policy:
        """Return the policy that rules a team."""
        return self._current.for_team(team)

    def for_key(self, team: str, packs: Packs) -> Policy:
        """Return the policy of a team's key, compiled now if it was not before; raise ConfigError."""
        return self._current.for_key(team, packs)

    def try_packs(self, team: str, packs: Packs) -> None:
        """Raise ConfigError unless a key of the team may carry these packs; nothing is kept."""
        self._current.compiled(team, packs)

    def known(self, team: str, packs: Packs) -> Policy | None:
        """Return the policy of a team's key if it is at hand."""
        if not packs:
            return self._current.for_team(team)
        found = self._current.keys.get((team, packs))
        return None if isinstance(found, ConfigError) else found

    async def ruling(self, principal: Principal) -> Policy:
        """Return the policy that rules a caller; raise PolicyUnavailable if its key's packs cannot be laid.

        Judging without them could drop a floor they set, so the request is refused instead.
        """
        team, packs = principal.team_name, principal.packs
        found = self.known(team, packs)
        if found is not None:
            return found
        try:
            return await asyncio.to_thread(self.for_key, team, packs)
        except ConfigError as error:
            structlog.get_logger("gateway").warning(
                "key_packs_refused", key_id=principal.key_id, reason=error.message
            )
            raise PolicyUnavailable(
                f"the packs of this key ({', '.join(packs)}) cannot be applied; "
                "whoever administers the key finds the reason in the gateway's log"
            ) from None

    def reload(self) -> bool:
        """Take changed files; keep the last good policies and say why when they cannot be taken."""
        log = structlog.get_logger("gateway")
        before, self._stamps = self._stamps, ()  # files that cannot be looked at count as changed
        try:
            self._stamps = self._read_stamps()
            if self._stamps == before:
                return False
            fresh, past = load_policies(self._configuration, self._reach.fleet), self._current.keys
            for place in [place for place, laid in list(past.items()) if isinstance(laid, Policy)]:
                fresh.keys[place] = fresh.compiled(*place)
            self._current = fresh
        except (ConfigError, OSError) as error:
            reason = error.message if isinstance(error, ConfigError) else str(error)
            if reason != self.last_error:
                log.warning("policy_reload_refused", reason=reason, kept_revision=self.revision)
            self.last_error = reason
            return False
        self.last_error = None
        log.info("policy_reloaded", revision=self.revision)
        return True

    async def watch(self, every_s: float) -> None:
        """Reload whenever files change, until cancelled."""
        while every_s > 0:
            await asyncio.sleep(every_s)
            await asyncio.to_thread(self.reload)

    def _read_stamps(self) -> tuple[tuple[str, int, int], ...]:
        stamps = []
        for path in pack_paths(self._configuration):
            for file in (path, test_file(path)):
                if file.exists():
                    stat = file.stat()
                    stamps.append((str(file), stat.st_mtime_ns, stat.st_size))
        return tuple(stamps)


def load_policies(configuration: Configuration, fleet: Fleet) -> Policies:
    """Compile every pack and run the tests beside it; raise ConfigError for the first that fails."""
    library, settings = load_library(), configuration.settings
    folder = configuration.folder
    common = _levelled(_resolved(settings.policy.packs, folder), "organisation")
    teams: dict[str, Policy] = {}
    for team in settings.teams:
        own = _levelled(_resolved(team.packs, folder), "team")
        if own:
            teams[team.name] = _compile_tested([*common, *own], library, fleet, tested_from=len(common))
    for offered in _levelled(_resolved(settings.policy.key_packs, folder), "key"):
        _compile_tested([*common, offered], library, fleet, tested_from=len(common))
    return Policies(
        organisation=_compile_tested(common, library, fleet),
        teams=teams,
        configuration=configuration,
        library=library,
    )


def compile_packs(paths: Sequence[Path], fleet: Fleet) -> Policy:
    """Return the policy of the given pack files, each laid over those before it; raise ConfigError."""
    return _compile(_levelled(paths, "organisation"), load_library(), fleet)


def compile_texts(texts: Sequence[PackText], fleet: Fleet) -> Policy:
    """Return the policy of pack texts, each laid over those before it; raise ConfigError."""
    try:
        return load_pack(texts, library=load_library(), fleet=fleet)
    except PackError as error:
        raise ConfigError(error.message, path=error.path, line=error.line) from None


def pack_stack(pack: Path, configuration: Configuration) -> list[Path]:
    """Return a pack with what lies below it: the configured packs before it, all of them for a new one."""
    common = [resolve_pack(name, configuration.folder) for name in configuration.settings.policy.packs]
    below = common[: common.index(pack)] if pack in common else common
    return [*below, pack]


def pack_name(path: Path) -> str:
    """Return what a pack calls itself; raise ConfigError."""
    try:
        return convert(read(read_pack(path).text), PackDoc).pack
    except DocumentError as error:
        raise ConfigError(error.message, path=str(path), line=error.line) from None


def load_library() -> Library:
    """Return the built-in envelopes and detector."""
    document = read((PACKS / "envelopes.yaml").read_text(encoding="utf-8"))
    weights = BUILT_IN / "models" / "detector.bin"
    try:
        return Library(
            envelopes=Envelopes.compile(document.value), detector=Detector.load(weights.read_bytes())
        )
    except (OSError, ValueError) as error:
        raise ConfigError(f"the detector cannot be loaded: {error}; reinstall the package") from None


@cache
def load_impact_rules() -> Rules:
    """Return the built-in rules of business impact and risk; raise ConfigError."""
    path = PACKS / "impact.yaml"
    try:
        return compile_rules(path.read_text(encoding="utf-8"))
    except DocumentError as error:
        raise ConfigError(error.message, path=str(path), line=error.line) from None


def load_price_table(configuration: Configuration) -> PriceTable:
    """Return the built-in price table with the configured ones over it."""
    paths = [PACKS / "prices.yaml"]
    paths += [configuration.folder / name for name in configuration.settings.policy.prices]
    return overlay([_prices(path) for path in paths])


def load_reach(configuration: Configuration) -> Reach:
    """Return every configured deployment, priced; raise ConfigError."""
    try:
        return build_reach(configuration.settings, load_price_table(configuration))
    except ConfigError as error:
        if configuration.path is None or error.path:
            raise
        raise ConfigError(error.message, path=str(configuration.path)) from None


def resolve_pack(name: str, folder: Path) -> Path:
    """Return the file a pack is named by: a path from the config's folder, or a built-in pack's name."""
    path = folder / name
    if path.is_file():
        return path
    built_in = PACKS / Path(name).with_suffix(".yaml").name
    if built_in.is_file() and Path(name).parent in {Path(), Path("policies/packs")}:
        return built_in
    raise ConfigError(
        f"there is no pack `{name}`, neither in `{folder}` nor built in ({', '.join(built_in_packs())})"
    )


def pack_paths(configuration: Configuration) -> Iterable[Path]:
    """Return the files of all configured packs, the organisation's first."""
    settings = configuration.settings
    of_teams = (name for team in settings.teams for name in team.packs)
    names = [*settings.policy.packs, *of_teams, *settings.policy.key_packs]
    return [resolve_pack(name, configuration.folder) for name in dict.fromkeys(names)]


def test_file(pack: Path) -> Path:
    """Return where a pack's tests stand, whether or not they exist."""
    return pack.with_name(f"{pack.stem}.test.yaml")


def read_pack(path: Path) -> PackText:
    """Return a pack's text; raise ConfigError when it cannot be read or is too large."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", path=str(path)) from None
    if len(raw) > MAX_PACK_BYTES:
        raise ConfigError(f"larger than {MAX_PACK_BYTES} bytes; split the pack", path=str(path))
    try:
        return PackText(str(path), raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise ConfigError("is not UTF-8 text; save it as UTF-8", path=str(path)) from None


def _resolved(names: Iterable[str], folder: Path) -> list[Path]:
    return [resolve_pack(name, folder) for name in names]


def _levelled(paths: Iterable[Path], level: Level) -> list[tuple[Path, Level]]:
    return [(path, level) for path in paths]


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


def _compile(stack: Stack, library: Library, fleet: Fleet) -> Policy:
    texts = (read_pack(path) for path, _ in stack)
    packs = [PackText(pack.path, pack.text, level) for pack, (_, level) in zip(texts, stack, strict=True)]
    try:
        return load_pack(packs, library=library, fleet=fleet)
    except PackError as error:
        raise ConfigError(error.message, path=error.path, line=error.line) from None


def run_pack_tests(pack: Path, policy: Policy) -> tuple[int, tuple[Failure, ...]]:
    """Return how many cases stand beside a pack and those that fail; raise DocumentError for a bad file.

    They are run on the reference fleet, one cheap and one premium model: a pack's tests speak of the pack,
    whatever deployments its user has.
    """
    reference = load_reach(default_configuration()).fleet
    return run_cases(read_pack(test_file(pack)).text, replace(policy, fleet=reference))


def _run_tests(pack: Path, policy: Policy) -> None:
    path = test_file(pack)
    if not path.exists():
        return
    try:
        _, failures = run_pack_tests(pack, policy)
    except DocumentError as error:
        raise ConfigError(error.message, path=str(path), line=error.line) from None
    if failures:
        first = failures[0]
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        message = f"pack test `{first.name}` failed: {first.message}{more}"
        raise ConfigError(message, path=str(path), line=first.line)


def _prices(path: Path) -> PriceTable:
    try:
        return load_prices(path.read_text(encoding="utf-8"))
    except DocumentError as error:
        raise ConfigError(error.message, path=str(path), line=error.line) from None
    except UnicodeDecodeError:
        raise ConfigError("is not UTF-8 text; save it as UTF-8", path=str(path)) from None
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", path=str(path)) from None


def built_in_packs() -> tuple[str, ...]:
    """Return the names of the packs that are shipped."""
    names = (p.stem for p in sorted(PACKS.glob("*.yaml")) if "." not in p.stem)
    return tuple(name for name in names if name not in {"envelopes", "impact", "prices"})
