"""Where policies come from: packs are read, compiled, tested and swapped in; the last good stays."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import structlog
from msgspec.structs import replace

import policies
from gateway.config_file import Configuration, default_configuration
from gateway.errors import ConfigError
from gateway.fleet import Reach, build_reach
from policies.context_analysis import Rules, compile_rules
from policies.envelope import Envelopes
from policies.escalation_triggers.detector import Detector
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The organisation's policy and those of the teams that have packs of their own."""

    organisation: Policy
    teams: Mapping[str, Policy]

    def for_team(self, team: str) -> Policy:
        """Return the policy that rules a team."""
        return self.teams.get(team, self.organisation)


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

    def reload(self) -> bool:
        """Take changed files; keep the last good policies and say why when they cannot be taken."""
        log = structlog.get_logger("gateway")
        before, self._stamps = self._stamps, ()  # files that cannot be looked at count as changed
        try:
            self._stamps = self._read_stamps()
            if self._stamps == before:
                return False
            self._current = load_policies(self._configuration, self._reach.fleet)
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
    common = [resolve_pack(name, configuration.folder) for name in settings.policy.packs]
    teams: dict[str, Policy] = {}
    for team in settings.teams:
        own = [resolve_pack(name, configuration.folder) for name in team.packs]
        if own:
            teams[team.name] = _compile_tested([*common, *own], library, fleet, tested_from=len(common))
    return Policies(organisation=_compile_tested(common, library, fleet), teams=teams)


def compile_packs(paths: Sequence[Path], fleet: Fleet) -> Policy:
    """Return the policy of the given pack files, each laid over those before it; raise ConfigError."""
    return _compile(list(paths), load_library(), fleet)


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
    names = [*settings.policy.packs, *(name for team in settings.teams for name in team.packs)]
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


def _compile_tested(paths: list[Path], library: Library, fleet: Fleet, *, tested_from: int = 0) -> Policy:
    """Compile a stack and run the tests of the user's own packs, each on the stack up to it.

    Built-in packs were tested before they were shipped, and must not forbid what is laid over them.
    """
    policy = _compile(paths, library, fleet, common=tested_from or len(paths))
    for end in range(tested_from + 1, len(paths) + 1):
        if paths[end - 1].parent != PACKS and test_file(paths[end - 1]).exists():
            _run_tests(paths[end - 1], policy if end == len(paths) else _compile(paths[:end], library, fleet))
    return policy


def _compile(paths: list[Path], library: Library, fleet: Fleet, *, common: int | None = None) -> Policy:
    """Compile a stack of which the first `common` packs (default: all) are the organisation's."""
    packs = [read_pack(path) for path in paths]
    if common is not None:
        packs[common:] = [PackText(pack.path, pack.text, "team") for pack in packs[common:]]
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
