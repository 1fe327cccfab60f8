"""The files policies are made of: packs and their tests, the price tables, and what is shipped with them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import policies
from gateway.config_file import Configuration
from gateway.errors import ConfigError
from gateway.fleet import Reach, build_reach
from policies.context_analysis import Rules, compile_rules
from policies.envelope import Envelopes
from policies.escalation_triggers.detector import Detector
from policies.pack import Library, PackText
from policies.prices import load_prices, overlay
from policies.pricing import PriceTable
from policies.yaml_lines import DocumentError, read

BUILT_IN = Path(policies.__file__).parent
PACKS = BUILT_IN / "packs"
MAX_PACK_BYTES = 4 * 2**20


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


def built_in_packs() -> tuple[str, ...]:
    """Return the names of the packs that are shipped."""
    names = (p.stem for p in sorted(PACKS.glob("*.yaml")) if "." not in p.stem)
    return tuple(name for name in names if name not in {"envelopes", "impact", "prices"})


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


def _prices(path: Path) -> PriceTable:
    try:
        return load_prices(path.read_text(encoding="utf-8"))
    except DocumentError as error:
        raise ConfigError(error.message, path=str(path), line=error.line) from None
    except UnicodeDecodeError:
        raise ConfigError("is not UTF-8 text; save it as UTF-8", path=str(path)) from None
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", path=str(path)) from None


def load_reach(configuration: Configuration) -> Reach:
    """Return every configured deployment, priced; raise ConfigError."""
    try:
        return build_reach(configuration.settings, load_price_table(configuration))
    except ConfigError as error:
        if configuration.path is None or error.path:
            raise
        raise ConfigError(error.message, path=str(configuration.path)) from None
