"""The policy guide's files and commands do what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import gateway

GUIDE = (Path(__file__).parents[2] / "docs" / "policy-guide.md").read_text(encoding="utf-8")
YAML = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
COMMANDS = [
    line[2:] for block in re.findall(r"```console\n(.*?)```", GUIDE, re.DOTALL) for line in block.splitlines()
]
CONFIG = """
model_list:
  - {model_name: glm-4.5, litellm_params: {model: zai/glm-4.5, api_key: k}}
  - {model_name: claude-opus-4-1, litellm_params: {model: anthropic/claude-opus-4-1-20250805, api_key: k}}
tiers: {base: [glm-4.5], premium: [claude-opus-4-1]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder with the guide's files, and work in it."""
    pack, tests, teams = YAML
    (tmp_path / "payments.yaml").write_text(pack, encoding="utf-8")
    (tmp_path / "payments.test.yaml").write_text(tests, encoding="utf-8")
    (tmp_path / "prompts.txt").write_text("Pay out the refund\nsort this\n", encoding="utf-8")
    (tmp_path / "config.yaml").write_text(CONFIG + teams, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


SAID = {
    "policy lint payments.yaml": "ok, 8 triggers",
    "policy test payments.yaml": "5 passed, 0 failed",
    "policy diff default default,payments.yaml": "trigger money_moves is new (business, demands premium)",
    "policy diff default default,payments.yaml --prompts prompts.txt": "1 of 2 prompts would be decided otherwise",
    "policy backtest payments.yaml": "0 decisions",
    "check": "ok",
    "explain --team payments": "team/payments",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_guide_command(folder: Path, command: str) -> None:  # noqa: ARG001
    """A command of the guide ends well and says what the guide promises."""
    arguments = shlex.split(command)[1:]

    result = CliRunner().invoke(gateway, arguments, catch_exceptions=False)

    assert result.exit_code == 0, result.output
    known = max((k for k in SAID if " ".join(arguments).startswith(k)), key=len)
    assert SAID[known] in result.output
