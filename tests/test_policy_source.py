from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.config_file import Configuration, load_configuration
from gateway.errors import ConfigError
from gateway.pack_files import load_reach, resolve_pack
from gateway.policy_layers import MAX_KEY_POLICIES, load_policies
from gateway.policy_source import PolicySource

CONFIG = """\
model_list:
  - {model_name: glm-4.5, litellm_params: {model: zai/glm-4.5}}
  - {model_name: opus, litellm_params: {model: anthropic/claude-opus-4-1}}
tiers: {base: [glm-4.5], premium: [opus]}
policy: {packs: [default, mine.yaml]}
teams: [{name: red, packs: [frugal]}]
"""
PACK = "pack: mine\neconomy: {threshold: 0.5}\n"
STRICTER = """\
pack: mine
triggers:
  - {id: everything, kind: k, reason: r, floor: premium, when: {signal: structure.ask_words, at_least: 0}}
"""


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    """Return a configuration with a pack of its own."""
    (tmp_path / "mine.yaml").write_text(PACK, encoding="utf-8")
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    return load_configuration(tmp_path / "config.yaml")


def edit(configuration: Configuration, text: str) -> None:
    """Write the pack anew, with a time that tells it from the last."""
    path = configuration.folder / "mine.yaml"
    seen = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(seen + 10**9, seen + 10**9))


def test_good_edit_is_taken(configuration: Configuration) -> None:
    """A changed pack rules from the next look on."""
    source = PolicySource(configuration, load_reach(configuration))
    before = source.revision
    edit(configuration, PACK.replace("0.5", "0.4"))

    assert source.reload()
    assert source.revision != before


@pytest.mark.parametrize("broken", ["pack: [", "pack: mine\nthresold: 1\n", "pack: mine\n\0"])
def test_bad_edit_keeps_the_last_good(configuration: Configuration, broken: str) -> None:
    """A pack that cannot be used changes nothing, and its mending is noticed."""
    source = PolicySource(configuration, load_reach(configuration))
    before = source.revision
    edit(configuration, broken)
    assert not source.reload()
    assert (source.revision, bool(source.last_error)) == (before, True)

    edit(configuration, PACK + "sticky_turns: 3\n")
    assert source.reload()
    assert source.last_error is None


def test_missing_file_is_survived(configuration: Configuration) -> None:
    """A pack that is gone for a moment, as editors and mounts do it, does not end the watching."""
    source = PolicySource(configuration, load_reach(configuration))
    (configuration.folder / "mine.yaml").unlink()
    assert not source.reload()
    assert "mine.yaml" in str(source.last_error)

    edit(configuration, PACK + "sticky_turns: 3\n")
    assert source.reload()


def test_file_that_comes_back_is_taken(configuration: Configuration) -> None:
    """A pack that was away and comes back as it was leaves no complaint behind."""
    source = PolicySource(configuration, load_reach(configuration))
    pack = configuration.folder / "mine.yaml"
    away = pack.rename(pack.with_suffix(".away"))
    assert not source.reload()
    away.rename(pack)

    assert source.reload()
    assert source.last_error is None


def test_stricter_pack_may_disagree_with_tests_below(configuration: Configuration) -> None:
    """The tests of a pack speak of the stack up to it, not of what its users lay over it."""
    edit(configuration, STRICTER)

    load_policies(configuration, load_reach(configuration).fleet)


def test_team_packs_lie_on_top(configuration: Configuration) -> None:
    """A team's own pack overrules the organisation's for that team alone."""
    policies = load_policies(configuration, load_reach(configuration).fleet)

    assert not policies.for_team("red").economy.enabled
    assert policies.for_team("blue").economy.enabled


@pytest.mark.parametrize("name", ["default", "default.yaml", "policies/packs/default.yaml"])
def test_built_in_names(name: str, tmp_path: Path) -> None:
    """Built-in packs go by their name or by the path they have in the sources."""
    assert resolve_pack(name, tmp_path).name == "default.yaml"


def test_missing_path_is_no_built_in(tmp_path: Path) -> None:
    """A file of one's own that is gone is not replaced by a built-in pack of the same name."""
    with pytest.raises(ConfigError, match=r"there is no pack `ops/frugal.yaml`"):
        resolve_pack("ops/frugal.yaml", tmp_path)


def offering(configuration: Configuration, pack: str) -> PolicySource:
    """Return a source that offers a pack to keys."""
    (configuration.folder / "own.yaml").write_text(pack, encoding="utf-8")
    config = configuration.folder / "config.yaml"
    config.write_text(CONFIG.replace("mine.yaml]", "mine.yaml], key_packs: [own.yaml]"), encoding="utf-8")
    offered = load_configuration(config)
    return PolicySource(offered, load_reach(offered))


def test_key_packs_lie_on_top(configuration: Configuration) -> None:
    """A key's pack lies over its team's; compiled once, it is looked up from then on."""
    source = offering(configuration, "pack: own\nsticky_turns: 9\n")
    policy = source.for_key("red", ("own.yaml",))

    assert (policy.sticky_turns, policy.economy.enabled) == (9, False)
    assert str(policy.origins["sticky_turns"]) == "key/own"
    assert source.known("red", ("own.yaml",)) is policy
    assert source.known("blue", ("own.yaml",)) is None


def test_key_policies_are_bounded(configuration: Configuration) -> None:
    """However many teams and packs are asked for, only so many policies are kept."""
    source = offering(configuration, "pack: own\n")
    policies = source._current
    policies.keys.update({(str(n), ("own.yaml",)): policies.organisation for n in range(MAX_KEY_POLICIES)})
    source.for_key("red", ("own.yaml",))

    assert len(policies.keys) == MAX_KEY_POLICIES
    assert source.known("0", ("own.yaml",)) is None


def test_broken_key_pack_stops_the_start(configuration: Configuration) -> None:
    """What is offered to keys is compiled at the start, and the error names path and line."""
    with pytest.raises(ConfigError, match=r"own\.yaml:2: "):
        offering(configuration, "pack: own\nstiky_turns: 1\n")


def test_tests_beside_a_key_pack_are_run(configuration: Configuration) -> None:
    """A pack offered to keys must pass its own tests like any other."""
    case = "cases:\n  - {tier: premium, ask: write a haiku}\n"
    (configuration.folder / "own.test.yaml").write_text(case, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"own\.test\.yaml:2: pack test"):
        offering(configuration, "pack: own\n")
