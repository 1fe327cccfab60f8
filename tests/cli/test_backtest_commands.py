from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from gateway.cli import gateway
from gateway.config_file import default_configuration
from gateway.decision_log import AskDigest, DecisionRecord
from gateway.pack_files import load_reach
from gateway.policy_layers import load_policies
from gateway.stores.base import DecisionRow, OutcomeRow
from gateway.stores.sql_books import SqlBooks
from policies import decide
from policies.facts import Ask, Features, Snapshot

NOW = 1_790_000_000.0
ASKS = ("Fix the SQL injection in the login form.", "Fix the typo in the README heading.")
WINDOW = ("--since", "2026-09-01", "--until", "2026-09-30")
CALM = "pack: calm\ntriggers: [{id: critical_security, disabled: true}]\neconomy: {threshold: 1}\n"
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs commands in a folder whose books hold two decisions."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "calm.yaml").write_text(CALM)
    books = default_configuration().settings.general_settings.database_url.get_secret_value()
    asyncio.run(_fill(tmp_path / books.removeprefix("sqlite:///")))

    def invoke(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(gateway, list(arguments), input=stdin)

    return invoke


async def _fill(path: Path) -> None:
    configuration = default_configuration()
    policy = load_policies(configuration, load_reach(configuration).fleet).organisation
    books = SqlBooks(f"sqlite:///{path}")
    await books.start()
    for number, text in enumerate(ASKS):
        features, snapshot = Features(ask=Ask(text=text), input_tokens=1_000), Snapshot(now=NOW)
        decision = decide(features, snapshot, policy)
        record = DecisionRecord(
            version=1, id=f"dec_{number}", request_id=f"req_{number}", at=NOW, team="red", key_id="k",
            ask=AskDigest(chars=1, blake2b="", evidence_blocks=0), snapshot=snapshot, decision=decision,
            features=Features(ask=Ask(text=""), input_tokens=1_000),
        )  # fmt: skip
        at_ms = int(NOW * 1000)
        row = DecisionRow(
            id=record.id,
            request_id=record.request_id,
            at_ms=at_ms,
            team_id="t",
            record=msgspec.Raw(msgspec.json.encode(record)),
        )
        label = OutcomeRow(
            id=f"dec_{number}.0.accepted", decision_id=record.id, request_id=record.request_id, team_id="t",
            key_id="k", at_ms=at_ms, decided_ms=at_ms, label="accepted", said=True, tier=decision.tier,
        )  # fmt: skip
        books.append(row, label)
    await books.flush()
    await books.close()


def test_backtest_of_a_pack(run: Run) -> None:
    """A pack laid over the configured ones is tried on what was decided, and hindsight judges it."""
    result = run("policy", "backtest", "calm.yaml", *WINDOW)

    assert result.exit_code == 0, result.output
    assert "2 decisions replayed, 1 would change tier" in result.stdout
    assert "red: 1 from premium to base, expected cost -0.061760000 USD" in result.stdout
    assert "of 2 decisions with a known outcome 2 went right, 1 would" in result.stdout


def test_replay_under_packs(run: Run) -> None:
    """Packs named, or read from standard input, rule instead of the configured ones."""
    named = run("replay", "--policy", "default", "--policy", "calm.yaml", *WINDOW, "--json")
    piped = run("replay", "--policy", "default", "--pack", "-", *WINDOW, "--json", stdin=CALM)

    found = json.loads(named.stdout)
    assert (found["decisions"], found["changed"]) == (2, 1)
    assert json.loads(piped.stdout)["examples"] == found["examples"]


def test_replay_of_what_rules_changes_nothing(run: Run) -> None:
    """Under the policy that decided them, decisions stay as they are."""
    assert "2 decisions replayed, 0 would change tier" in run("replay", *WINDOW).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("replay", "--policy", "nowhere.yaml"), "there is no pack `nowhere.yaml`"),
        (("replay", "--since", "yesterday"), "`yesterday` is no day or instant"),
        (("policy", "backtest", "nowhere.yaml"), "there is no pack `nowhere.yaml`"),
        (("policy", "backtest"), "Missing argument"),
    ],
)
def test_bad_questions(run: Run, arguments: tuple[str, ...], words: str) -> None:
    """What cannot be asked is one line that says so."""
    result = run(*arguments)

    assert result.exit_code in {1, 2}
    assert words in result.output


def test_suggestions_of_a_team(run: Run) -> None:
    """The command reads outcomes and says on how many decisions its suggestions rest."""
    result = run("policy", "suggest", *WINDOW)

    assert (result.exit_code, result.stdout) == (
        0,
        "0 suggestions from 2 decisions with a known outcome\n",
    )
    assert json.loads(run("policy", "suggest", *WINDOW, "--json").stdout) == {
        "decisions": 2,
        "suggestions": [],
    }
