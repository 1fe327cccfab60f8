from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.__main__ import gateway

MODEL = """\
model_list:
  - model_name: m
    litellm_params: {{model: {model}, api_key: k}}
tiers: {{base: [m]}}
general_settings: {{database_url: "sqlite:///books.db"}}
"""


def run(folder: Path, *words: str, model: str = "openai/gpt-4o") -> Result:
    """Run `gateway prices` with one configured model."""
    config = folder / "config.yaml"
    config.write_text(MODEL.format(model=model), encoding="utf-8")
    return CliRunner().invoke(gateway, ["prices", *words, "--config", str(config)])


@pytest.mark.parametrize(
    ("model", "code", "verdict"),
    [
        ("openai/gpt-4o", 0, "same"),
        ("anthropic/claude-opus-4-1", 1, "unknown"),
        ("zai/glm-4.5", 1, "differs"),
    ],
)
def test_check_says_so(tmp_path: Path, model: str, code: int, verdict: str) -> None:
    """Only agreement with litellm's own map is a success; Opus 4.1 is one it does not know."""
    done = run(tmp_path, "check", "--json", model=model)
    assert done.exit_code == code
    assert [line["verdict"] for line in json.loads(done.stdout)] == [verdict]


def test_list_and_reprice(tmp_path: Path) -> None:
    """The table is listed with its days; an empty ledger is priced again at nothing."""
    assert "openai/gpt-4o  " in run(tmp_path, "list").stdout
    told = json.loads(run(tmp_path, "reprice", "--json").stdout)
    assert (told["total"]["attempts"], told["lines"]) == (0, [])


@pytest.mark.parametrize(
    "table", ["currency: EUR\nmodels: {}", "currency: USD\nmodels: {x/y: 3}", "\0", "- 1"]
)
def test_bad_table(tmp_path: Path, table: str) -> None:
    """A table that is none ends the command in one line, other currencies included."""
    (tmp_path / "t.yaml").write_text(table, encoding="utf-8")
    done = run(tmp_path, "reprice", "--table", str(tmp_path / "t.yaml"))
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: ")
