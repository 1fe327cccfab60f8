from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import COMMANDS, gateway

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(gateway, list(arguments), input=stdin)

    return invoke


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(run: Run, name: str) -> None:
    """Each listed command exists and has help."""
    result = run(name, "--help")

    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output


def test_key_is_shown_once(run: Run, tmp_path: Path) -> None:
    """A created key is printed; no list and no file of the store holds it."""
    assert run("teams", "create", "payments").exit_code == 0
    created = json.loads(run("keys", "create", "--team", "payments", "--name", "ci", "--json").stdout)

    listed = run("keys", "list")
    secret = created["secret"]
    assert secret.startswith("sk-gw-")
    assert f"...{secret[-4:]}" in listed.output
    assert secret not in listed.output
    assert all(secret.encode() not in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_revoked_key_is_gone(run: Run) -> None:
    """A revoked key is no longer listed."""
    run("teams", "create", "payments")
    created = json.loads(run("keys", "create", "--team", "payments", "--json").stdout)

    assert run("keys", "revoke", created["key"]["id"]).exit_code == 0
    assert created["key"]["id"] not in run("keys", "list").output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("keys", "create", "--team", "nobody"), "nobody"),
        (("keys", "revoke", "key_unknown"), "key_unknown"),
        (("teams", "create", "x", "--budget-usd", "-3"), "no amount of money"),
        (("teams", "create", "x", "--budget-usd", "NaN"), "no amount of money"),
        (("teams", "create", "x", "--time-zone", "Mars/Olympus"), "Mars/Olympus"),
        (("report", "costs", "--since", "soon"), "no day or instant"),
        (("explain", "--config", "nowhere.yaml", "hi"), "no such file"),
        (("explain", "--team", "nope", "hi"), "declares no team `nope`"),
        (("explain", " "), "nothing to explain"),
        (("policy", "diff", "default", "nope"), "there is no pack `nope`"),
    ],
)
def test_bad_input_ends_in_one_line(run: Run, arguments: tuple[str, ...], words: str) -> None:
    """A mistake is told in one line and exit code 1, never a traceback."""
    result = run(*arguments)

    assert result.exit_code == 1
    assert words in result.output
    assert "Traceback" not in result.output


def test_explain_names_trigger_and_words(run: Run) -> None:
    """Critical work is explained by trigger, place and price."""
    result = run("explain", "Fix the SQL injection in the login form and review the session tokens")

    assert "Routed to premium because a critical trigger fired: critical_security" in result.output
    assert "sql injection@8-21" in result.output
    assert "premium claude-opus-4-1: about $" in result.output


def test_score_keeps_order_and_count(run: Run) -> None:
    """One line out per line in, in order, for texts and requests alike."""
    body = {"model": "auto", "messages": [{"role": "user", "content": "Fix a typo in the README"}]}
    lines = [{"id": "a", "text": "hello"}, {"id": "b", "request": body}]

    result = run("score", stdin="\n".join(map(json.dumps, lines)))

    scored = [json.loads(line) for line in result.stdout.splitlines()]
    assert [item["id"] for item in scored] == ["a", "b"]
    assert scored[1]["ask"] == "Fix a typo in the README"
    assert set(scored[0]["signals"]) >= {"security", "hard", "routine"}


def test_score_is_one_ascii_line_an_item(run: Run) -> None:
    """Line ends that only Unicode knows do not break an item's line in two."""
    result = run("score", stdin=json.dumps({"id": "a", "text": "one\u2028two\u0085three\u2029vier\fä"}))

    lines = result.stdout.splitlines()
    assert len(lines) == 1
    assert lines[0].isascii()
    assert "vier" in json.loads(lines[0])["ask"]


def test_empty_report_has_totals(run: Run) -> None:
    """A gateway nobody used reports zeros, not an error."""
    report = json.loads(run("report", "costs", "--format", "json").stdout)

    assert report["total"]["cost_usd"] == "0.000000000"


def test_pack_tests_pass(run: Run) -> None:
    """The built-in packs pass the tests beside them."""
    result = run("policy", "test")

    assert result.exit_code == 0, result.output
    assert "0 failed" in result.output


def test_failing_pack_test_fails(run: Run, tmp_path: Path) -> None:
    """A case that does not hold is shown with its line, and the exit code says so."""
    pack = "pack: mine\neconomy: {enabled: false}\n"
    (tmp_path / "mine.yaml").write_text(pack, encoding="utf-8")
    (tmp_path / "mine.test.yaml").write_text("cases:\n  - {ask: hello, tier: premium}\n", encoding="utf-8")

    result = run("policy", "test", "mine.yaml")

    assert result.exit_code == 1
    assert "mine.test.yaml:2: hello: expected tier premium, got base" in result.output


def test_analyze_measures_a_diff(run: Run) -> None:
    """A diff on standard input is measured, and its dangerous line is named."""
    diff = "--- a/x.py\n+++ b/x.py\n@@ -1 +1,2 @@\n-a = 1\n+import os\n+eval(input())\n"

    result = run("analyze", "--diff", "-", stdin=diff)

    assert result.exit_code == 0, result.output
    assert "lines added          2" in result.output
    assert "risk   security" in result.output


def test_analyze_wants_something(run: Run) -> None:
    """Without files and diff there is a usage error, not an empty report."""
    assert run("analyze").exit_code == 2


def test_policy_diff_in_words(run: Run, tmp_path: Path) -> None:
    """Two stacks are compared in words, and by what they decide for given prompts."""
    prompts = tmp_path / "prompts.txt"
    prompts.write_text(
        "Why does the login redirect twice?\nWhere do we store the user's password?\n", encoding="utf-8"
    )

    result = run("policy", "diff", "frugal", "default,guarded", "--prompts", str(prompts))

    assert result.exit_code == 0, result.output
    assert "fallback.base_to_premium false -> true" in result.output
    assert "data class secret is new: nobody for api_key" in result.output
    assert "of 2 prompts would be decided otherwise" in result.output


def test_lint_warns(run: Run, tmp_path: Path) -> None:
    """A bound out of reach is a warning, and fails a strict lint."""
    pack = tmp_path / "odd.yaml"
    when = "{signal: detector.hard, at_least: 7}"
    pack.write_text(f"pack: odd\ntriggers: [{{id: x, kind: k, reason: r, when: {when}}}]\n", encoding="utf-8")

    result = run("policy", "lint", "--strict", str(pack))

    assert result.exit_code == 1
    assert "detector.hard never exceeds 1" in result.output
