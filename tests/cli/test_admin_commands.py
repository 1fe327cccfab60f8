from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import gateway

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs the command line in a folder whose books have team red."""
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(gateway, list(arguments))

    assert invoke("teams", "create", "red").exit_code == 0
    return invoke


def make_key(run: Run) -> tuple[str, str]:
    """Return the id and secret of a new key."""
    made = json.loads(run("keys", "create", "--team", "red", "--name", "ci", "--json").stdout)
    return made["key"]["id"], made["secret"]


def test_rotate(run: Run) -> None:
    """A rotated key keeps its id and shows another secret, once."""
    key_id, secret = make_key(run)
    rotated = json.loads(run("keys", "rotate", key_id, "--overlap", "2d", "--json").stdout)

    assert (rotated["key"]["id"], rotated["key"]["version"]) == (key_id, 2)
    assert rotated["secret"] != secret
    assert rotated["secret"] not in run("keys", "list", "--json").stdout


def test_block_and_unblock(run: Run) -> None:
    """A blocked key is listed as such until it is unblocked."""
    key_id, _ = make_key(run)

    assert run("keys", "block", key_id).exit_code == 0
    assert "; blocked" in run("keys", "list").stdout
    assert run("keys", "unblock", key_id).exit_code == 0
    assert "; blocked" not in run("keys", "list").stdout


def test_update_team(run: Run) -> None:
    """Only what is named of a team changes."""
    options = ("--time-zone", "Asia/Tokyo", "--ignores-route-wish", "--json")
    changed = json.loads(run("teams", "update", "red", *options).stdout)

    assert (changed["name"], changed["time_zone"], changed["version"]) == ("red", "Asia/Tokyo", 2)
    assert (changed["honours_route_wish"], changed["rewrite"]) == (False, "auto-only")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("keys", "rotate", "nope"), "no key has the id `nope`"),
        (("keys", "rotate", "nope", "--overlap", "8d"), "7 days"),
        (("keys", "rotate", "nope", "--overlap", "-1h"), "no lifetime"),
        (("keys", "block", "nope"), "no key has the id `nope`"),
        (("teams", "update", "red"), "nothing is to be changed"),
        (("teams", "update", "blue", "--name", "x"), "no team is called `blue`"),
        (("teams", "update", "red", "--time-zone", "Mars"), "`Mars` is not a known time zone"),
        (("teams", "update", "red", "--name", ""), "`name` is not valid"),
        (("teams", "create", "x", "--budget-usd", "1e-999999999"), "no amount of money"),
        (("teams", "create", "x", "--budget-usd", "1000001"), "no amount of money"),
    ],
)
def test_mistakes_are_one_line(run: Run, arguments: tuple[str, ...], words: str) -> None:
    """A mistake ends the command with what is wrong, and no traceback."""
    result = run(*arguments)

    assert result.exit_code != 0
    assert words in result.output
    assert "Traceback" not in result.output


def test_packs_and_contract_of_a_key(run: Run, tmp_path: Path) -> None:
    """A key is given packs of those on offer and a contract, and loses them again."""
    (tmp_path / "own.yaml").write_text("pack: own\nsticky_turns: 3\n", encoding="utf-8")
    (tmp_path / "config.yaml").write_text(
        "model_list: [{model_name: glm-4.5, litellm_params: {model: zai/glm-4.5}}]\n"
        "tiers: {base: [glm-4.5], premium: [glm-4.5]}\npolicy: {key_packs: [own.yaml]}\n",
        encoding="utf-8",
    )
    assert run("teams", "create", "red").exit_code in {0, 1}
    options = ("--pack", "own.yaml", "--rewrite", "rewrite-all", "--json")
    made = json.loads(run("keys", "create", "--team", "red", *options).stdout)["key"]
    assert (made["packs"], made["rewrite"]) == (["own.yaml"], "rewrite-all")
    assert "packs own.yaml" in run("keys", "list").stdout

    lifted = json.loads(run("keys", "update", made["id"], "--no-packs", "--rewrite", "team", "--json").stdout)
    assert (lifted["packs"], lifted["rewrite"]) == ([], None)
    refused = run("keys", "update", made["id"], "--pack", "other")
    assert refused.exit_code == 1
    assert "no key may carry the pack `other`" in refused.output
