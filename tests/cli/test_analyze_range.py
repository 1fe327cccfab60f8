from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from gateway.cli import gateway
from gateway.cli.analyze import PREMIUM_EXIT
from gateway.git_range import MAX_DIFF_BYTES, read_range

Run = Callable[..., Result]
GIT = (
    "git",
    "-c",
    "user.name=a",
    "-c",
    "user.email=a@b.c",
    "-c",
    "commit.gpgsign=false",
    "-c",
    "protocol.file.allow=always",
)
LOGIN = (
    "def login(user):\n    query = \"SELECT * FROM users WHERE name = '%s'\" % user\n    return eval(query)\n"
)
TEXT = {
    "type": "object",
    "required": ["text"],
    "properties": {"text": {"type": "string"}},
    "additionalProperties": False,
}
PLACE = {
    "type": "object",
    "required": ["physicalLocation"],
    "additionalProperties": False,
    "properties": {
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation"],
            "additionalProperties": False,
            "properties": {
                "artifactLocation": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"uri": {"type": "string", "pattern": r"^[A-Za-z0-9._~/%-]+$"}},
                },
                "region": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"startLine": {"type": "integer", "minimum": 1}},
                },
            },
        }
    },
}
RESULT = {
    "type": "object",
    "required": ["message"],
    "additionalProperties": False,
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": {"enum": ["none", "note", "warning", "error"]},
        "message": TEXT,
        "locations": {"type": "array", "items": PLACE},
    },
}
DRIVER = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "rules": {
            "type": "array",
            "uniqueItems": True,
            "items": {
                "type": "object",
                "required": ["id"],
                "additionalProperties": False,
                "properties": {"id": {"type": "string"}, "shortDescription": TEXT},
            },
        },
    },
}
SARIF = Draft202012Validator(
    {
        "type": "object",
        "required": ["version", "runs"],
        "additionalProperties": False,
        "properties": {
            "$schema": {"type": "string", "format": "uri"},
            "version": {"const": "2.1.0"},
            "runs": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["tool"],
                    "additionalProperties": False,
                    "properties": {
                        "tool": {
                            "type": "object",
                            "required": ["driver"],
                            "additionalProperties": False,
                            "properties": {"driver": DRIVER},
                        },
                        "results": {"type": "array", "items": RESULT},
                        "properties": {"type": "object"},
                    },
                },
            },
        },
    }
)
"""What SARIF 2.1.0's own schema says of the members that are written."""


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty repository with one commit, as the folder to run in."""
    monkeypatch.chdir(tmp_path)
    git("init", "-q", "-b", "main")
    commit("start", {"README.md": "# hi\n"})
    return tmp_path


def git(*arguments: str) -> None:
    """Run git in the current folder."""
    subprocess.run([*GIT, *arguments], check=True, capture_output=True)  # noqa: S603 - our own words


def commit(subject: str, files: dict[str, str | bytes]) -> None:
    """Write files and commit them."""
    for name, text in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    git("add", "-A")
    git("commit", "-q", "-m", subject)


def run(*arguments: str, stdin: str | None = None) -> Result:
    """Run the command."""
    return CliRunner().invoke(gateway, ["analyze", *arguments], input=stdin)


@pytest.mark.usefixtures("repo")
def test_routine_change() -> None:
    """A change of words asks for nobody: exit code 0."""
    commit("Fix the typo in the README heading", {"README.md": "# Hello\n"})

    result = run("--diff", "HEAD~1..HEAD")

    assert result.exit_code == 0, result.output
    assert "verdict              routine change" in result.stdout
    assert "Routed to base" in result.stdout


@pytest.mark.usefixtures("repo")
def test_change_that_deserves_premium() -> None:
    """A security fix asks for the premium reviewer, by its subject and by its code."""
    commit("Fix the SQL injection in the login form", {"auth/login.py": LOGIN})

    result = run("--diff", "HEAD~1..HEAD", "--format", "json")

    review = json.loads(result.stdout)
    assert result.exit_code == PREMIUM_EXIT
    assert (review["tier"], review["complete"]) == ("premium", True)
    assert review["reasons"][0].startswith("critical_security")
    assert {"auth/login.py"} <= {mark["path"] for mark in review["marks"]}


@pytest.mark.usefixtures("repo")
def test_ratings_alone_can_ask() -> None:
    """Code that is dangerous by its ratings asks for premium whatever its subject says."""
    commit("tidy up", {"auth/login.py": LOGIN})

    assert run("--diff", "HEAD~1..", "--premium-at", "0.1").exit_code == PREMIUM_EXIT
    assert run("--diff", "HEAD~1..", "--premium-at", "1", "--description", "rename a variable").exit_code == 0


@pytest.mark.usefixtures("repo")
def test_sarif() -> None:
    """The log keeps to SARIF 2.1.0 and names file and line; every result has its rule."""
    commit("Fix the SQL injection in the login form", {"auth/log in:%41.py": LOGIN})

    log = json.loads(run("--diff", "HEAD~1..HEAD", "--format", "sarif").stdout)

    assert list(SARIF.iter_errors(log)) == []
    (one,) = log["runs"]
    rules = [rule["id"] for rule in one["tool"]["driver"]["rules"]]
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in one["results"])
    assert "trigger/critical_security" in rules
    uris = {p["physicalLocation"]["artifactLocation"]["uri"] for r in one["results"] for p in r["locations"]}
    assert uris == {"auth/log%20in%3A%2541.py"}


@pytest.mark.usefixtures("repo")
def test_github_annotations() -> None:
    """Annotations are workflow commands; what could end one or begin another is escaped."""
    commit("Fix the SQL injection\n\n::error::x", {"auth/a,b:c%0A.py": LOGIN})

    lines = run("--diff", "HEAD~1..HEAD", "--format", "github").stdout.splitlines()

    assert lines[0].startswith("::notice title=deserves the premium reviewer::critical_security")
    assert all(line.startswith(("::notice ", "::warning ")) for line in lines)
    assert any("file=auth/a%2Cb%3Ac%250A.py,line=" in line for line in lines)


@pytest.mark.parametrize(
    "asked",
    [
        "nothing..HEAD",
        "HEAD~9..HEAD",
        "--help..HEAD",
        "HEAD",
        "HEAD..HEAD~9",
        "-x..HEAD",
        "a b..HEAD",
        "$(id)..HEAD",
        "",
    ],
)
@pytest.mark.usefixtures("repo")
def test_ranges_that_are_none(asked: str) -> None:
    """What names no range of commits is a usage error, and nothing is run for it."""
    result = run("--diff", asked)

    assert result.exit_code == 2
    assert "Error" in result.output
    assert sorted(path.name for path in Path().iterdir()) == [".git", "README.md"]


@pytest.mark.usefixtures("repo")
def test_hostile_changes() -> None:
    """Binary files, renames, odd names, links and submodules are read without harm."""
    commit(
        "more", {"blob.bin": bytes(range(256)) * 40, "old.py": LOGIN * 20, 'we"ird\tn\n\xe9.py': "x = 1\n"}
    )
    git("mv", "old.py", "new name.py")
    Path("link").symlink_to("/etc/passwd")
    git("submodule", "add", "-q", str(Path.cwd()), "sub")
    commit("odd things", {"--output=x": "y\n", "blob.bin": b"\0\1\2"})

    change = read_range("HEAD~1..HEAD", Path.cwd())
    result = run("--diff", "HEAD~2..HEAD", "--format", "sarif")

    assert "rename to new name.py" in change.diff
    assert "Binary files" in change.diff
    assert "root:" not in change.diff
    assert result.exit_code in {0, PREMIUM_EXIT}
    assert list(SARIF.iter_errors(json.loads(result.stdout))) == []


@pytest.mark.usefixtures("repo")
def test_repositorys_programs_are_not_run(tmp_path: Path) -> None:
    """A diff driver, a text converter or a monitor named by the repository is left alone."""
    trap = tmp_path / ".git" / "trap"
    trap.write_text("#!/bin/sh\ntouch $(dirname $0)/sprung\n")
    trap.chmod(0o755)
    for name in ("diff.external", "diff.evil.textconv", "diff.evil.command", "core.fsmonitor"):
        git("config", name, str(trap))
    commit("change", {".gitattributes": "* diff=evil\n", "a.txt": "x\n"})
    (tmp_path / ".git" / "sprung").unlink(missing_ok=True)

    assert "+x" in read_range("HEAD~1..HEAD", Path.cwd()).diff
    assert not (tmp_path / ".git" / "sprung").exists()


@pytest.mark.usefixtures("repo")
def test_huge_change_deserves_premium() -> None:
    """What is too long to be read is not called routine."""
    commit("Fix a typo", {"big.txt": "word\n" * (MAX_DIFF_BYTES // 4)})

    result = run("--diff", "HEAD~1..HEAD")

    assert result.exit_code == PREMIUM_EXIT
    assert "the change is longer than can be read" in result.stdout


@pytest.mark.usefixtures("repo")
def test_three_dots_begin_where_they_parted() -> None:
    """BASE...HEAD leaves out what the base branch did since."""
    git("checkout", "-q", "-b", "topic")
    commit("topic", {"topic.txt": "t\n"})
    git("checkout", "-q", "main")
    commit("main", {"main.txt": "m\n"})

    change = read_range("main...topic", Path.cwd())

    assert (change.subjects, "topic.txt" in change.diff, "main.txt" in change.diff) == (
        ("topic",),
        True,
        False,
    )
    assert "main.txt" in read_range("main..topic", Path.cwd()).diff


def test_outside_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no repository the range names nothing."""
    monkeypatch.chdir(tmp_path)

    assert run("--diff", "a..b").exit_code == 2
