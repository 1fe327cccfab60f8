"""Commands that judge by the organisation's policy, a team's, or that of a key with packs of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import gateway

Run = Callable[..., Result]
CONFIG = """
model_list:
  - {model_name: glm-4.5, litellm_params: {model: zai/glm-4.5, api_key: k}}
  - {model_name: claude-opus-4-1, litellm_params: {model: anthropic/claude-opus-4-1-20250805, api_key: k}}
tiers: {base: [glm-4.5], premium: [claude-opus-4-1]}
policy: {packs: [org.yaml], key_packs: [key.yaml]}
teams: [{name: red, packs: [red.yaml, redder.yaml]}, {name: blue}]
"""
OFF = "economy: {enabled: false}"
TRIGGER = "- {{id: {0}, kind: k, reason: r, floor: premium, when: {{signal: lexicon.{0}, at_least: 1}}}}"


def pack(name: str, *lines: str) -> str:
    """Return a pack with a lexicon of one word, its own name, and a trigger on it."""
    head = (f"pack: {name}", f"lexicons: {{{name}: [{name}]}}", "triggers:", TRIGGER.format(name))
    return "\n".join((*head, *lines)) + "\n"


PACKS = {
    "org": pack("org", OFF),
    "red": pack("red"),
    "redder": pack("redder", "- {id: red, disabled: true}"),
    "key": pack("key"),
    "new": pack("new", "- {id: key, disabled: true}"),
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs commands in a folder with packs in all three layers."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    for name, text in PACKS.items():
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        case = f"cases: [{{ask: {name}, tier: premium, triggers: [{name}]}}]\n"
        (tmp_path / f"{name}.test.yaml").write_text(case, encoding="utf-8")

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(gateway, list(arguments), catch_exceptions=False)

    return invoke


@pytest.mark.parametrize(
    ("layers", "ask", "decider"),
    [
        ((), "org", "organisation/org"),
        ((), "redder", "default"),
        (("--team", "red"), "redder", "team/redder"),
        (("--team", "red"), "key", "default"),
        (("--team", "red", "--key-pack", "key.yaml"), "key", "key/key"),
        (("--key-pack", "key.yaml"), "key", "key/key"),
    ],
)
def test_explain_by_layer(run: Run, layers: tuple[str, ...], ask: str, decider: str) -> None:
    """The named team's packs, and the key's over them, are those that decide."""
    result = run("explain", *layers, f"please {ask}")

    assert result.exit_code == 0, result.output
    assert decider in result.output or (decider == "default" and "Routed to base" in result.output)


def test_declared_context(run: Run, tmp_path: Path) -> None:
    """What a trusted key would declare can be declared."""
    declared = (
        "- {id: paid, kind: k, reason: r, floor: premium, when: {signal: declared.service.pay, at_least: 1}}"
    )
    (tmp_path / "org.yaml").write_text(PACKS["org"].replace("triggers:\n", f"triggers:\n{declared}\n"))

    assert "Routed to premium" in run("explain", "--declare", "service=Pay", "hello").output
    assert "Routed to base" in run("explain", "hello").output
    refused = run("explain", "--declare", "servce=pay", "hello")
    assert refused.exit_code == 1
    assert "`servce=pay` declares nothing; did you mean `service`?" in refused.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("explain", "--key-pack", "red.yaml", "hi"), "no key may carry the pack `red.yaml`"),
        (("policy", "lint", "--key-pack", "nope", "new.yaml"), "no key may carry the pack `nope`"),
        (("policy", "diff", "--team", "green", "org.yaml", "new.yaml"), "declares no team `green`"),
        (("policy", "lint", "new.yaml"), "new.yaml:5: no trigger is called `key`"),
        (("policy", "test", "--team", "red", "new.yaml"), "new.yaml:5: no trigger is called `key`"),
        (("policy", "suggest", "--key-pack", "nope"), "no key may carry the pack `nope`"),
        (("policy", "backtest", "--team", "red", "key.yaml"), "no team is called `red`"),
    ],
)
def test_layers_that_are_not_there(run: Run, arguments: tuple[str, ...], words: str) -> None:
    """A pack no key may carry, a team nobody declared, a trigger of a layer that was not named."""
    result = run(*arguments)

    assert result.exit_code == 1
    assert words in result.output


def test_bad_tests_are_placed(run: Run, tmp_path: Path) -> None:
    """A file of tests that cannot be used is told of with its path and line."""
    (tmp_path / "new.test.yaml").write_text(
        "cases:\n- {ask: fine, tier: base}\n- {ask: hi}\n", encoding="utf-8"
    )

    result = run("policy", "test", "--key-pack", "key.yaml", "new.yaml")

    assert result.exit_code == 1
    assert "new.test.yaml:3: case `hi` needs either `tier` or `denied`; give one" in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("lint", "redder.yaml"), "redder.yaml: ok, 2 triggers"),
        (("lint", "--key-pack", "key.yaml", "new.yaml"), "new.yaml:5: warning: trigger `key` of pack `key`"),
        (("lint", "--team", "red", "--key-pack", "key.yaml", "new.yaml"), "new.yaml: ok, 3 triggers"),
        (("test",), "4 passed, 0 failed"),
        (("test", "redder.yaml"), "1 passed, 0 failed"),
        (("test", "--team", "red", "--key-pack", "key.yaml", "new.yaml"), "1 passed, 0 failed"),
        (("diff", "--key-pack", "key.yaml", "org.yaml", "org.yaml,new.yaml"), "no trigger is called `key`"),
        (("diff", "--team", "red", "org.yaml", "org.yaml,red.yaml"), "0 differences"),
        (("backtest", "--key-pack", "key.yaml", "new.yaml"), "0 decisions replayed"),
    ],
)
def test_packs_in_their_layers(run: Run, arguments: tuple[str, ...], words: str) -> None:
    """A pack lies over what the configuration has below it; a new one over the layers that are named."""
    assert words in run("policy", *arguments).output
