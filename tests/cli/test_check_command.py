from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.__main__ import gateway

GOOD = """\
model_list:
  - {model_name: cheap, litellm_params: {model: zai/glm-4.5, api_key: k1}}
  - {model_name: dear, litellm_params: {model: anthropic/claude-opus-4-1, api_key: k2}}
  - {model_name: spare, litellm_params: {model: openai/gpt-4o, api_key: k3}}
tiers: {base: [cheap], premium: [dear]}
general_settings: {database_url: "sqlite:///books.db"}
"""


def check(folder: Path, text: str, *words: str) -> Result:
    """Run a command on a configuration."""
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    return CliRunner().invoke(gateway, [*(words or ("check",)), "--config", str(folder / "config.yaml")])


def test_good_configuration(tmp_path: Path) -> None:
    """A good one is shown with its tiers, the deployment outside them as such; nothing is created."""
    done = check(tmp_path, GOOD)
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "ok")
    tiers = {
        line.split(" = ")[0].split()[-1]: line[:14].strip()
        for line in done.stdout.splitlines()
        if " = " in line
    }
    assert tiers == {"cheap": "base", "dear": "premium", "spare": "no tier"}
    assert not (tmp_path / "books.db").exists()


@pytest.mark.parametrize(
    ("old", "new", "code", "told"),
    [
        ("api_key: k1", "api_key: os.environ/NOT_SET_ANYWHERE", 1, "`NOT_SET_ANYWHERE` for model_list[0]"),
        (
            "api_key: k1",
            "api_key: '${ZAI_KEY}'",
            0,
            "model_list[0].litellm_params.api_key is taken literally",
        ),
        ("sqlite:///books.db", "mysql://x/y", 1, "database url is not understood"),
        (
            '"sqlite:///books.db"',
            '"postgresql://nobody@127.0.0.1:1/x?connect_timeout=2", spool_dir: s',
            1,
            "does not answer",
        ),
        ("model_name: spare", "model_name: auto", 1, "another name"),
        ("tiers:", "teams: [{name: a}, {name: a}]\ntiers:", 1, "declared twice"),
        ("base: [cheap]", "base: []", 0, "tiers.base is empty"),
    ],
)
def test_what_is_wrong(tmp_path: Path, old: str, new: str, code: int, told: str) -> None:
    """Each mistake is named, and fails the check if the gateway would not start with it."""
    assert old in GOOD
    done = check(tmp_path, GOOD.replace(old, new))
    assert (done.exit_code, told in done.stderr) == (code, True), done.output


def test_period_without_budget(tmp_path: Path) -> None:
    """A period that limits nothing is refused, for keys and teams alike."""
    for words in (("keys", "create", "--team", "a"), ("teams", "create", "a")):
        done = check(tmp_path, GOOD, *words, "--period", "1d")
        assert (done.exit_code, "--budget-usd" in done.stderr) == (2, True)
