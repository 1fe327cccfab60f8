from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
RECIPE = yaml.safe_load((ROOT / "docs" / "examples" / "premium-review.yml").read_text(encoding="utf-8"))
GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Give the environment of a job in a repository of one commit, with `gateway` on the path."""
    monkeypatch.chdir(tmp_path)
    bin_folder = tmp_path / ".git" / "bin"
    git("init", "-q", "-b", "main")
    bin_folder.mkdir()
    (bin_folder / "gateway").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gateway "$@"\n')
    (bin_folder / "gateway").chmod(0o755)
    commit("start", "hello\n")
    return {
        **os.environ,
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "GITHUB_OUTPUT": str(tmp_path / ".git" / "output"),
        "BASE": "HEAD~1",
        "HEAD": "HEAD",
    }


def git(*arguments: str) -> None:
    """Run git in the current folder."""
    subprocess.run([*GIT, *arguments], check=True, capture_output=True)  # noqa: S603 - our own words


def commit(subject: str, text: str) -> None:
    """Commit one file."""
    Path("auth.py").write_text(text)
    git("add", "auth.py")
    git("commit", "-q", "-m", subject)


def judge(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the judging step as the runner does."""
    (step,) = [s for s in RECIPE["jobs"]["judge"]["steps"] if s.get("id") == "judge"]
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603


@pytest.mark.parametrize(
    ("subject", "tier"),
    [("Fix the typo in the greeting", "base"), ("Fix the SQL injection in the login form", "premium")],
)
def test_recipe_judges(environment: dict[str, str], subject: str, tier: str) -> None:
    """The recipe's own script sets the tier, annotates, and leaves SARIF; neither verdict fails the job."""
    commit(subject, "hello world\n")

    done = judge(environment)

    assert done.returncode == 0, done.stderr
    assert Path(environment["GITHUB_OUTPUT"]).read_text() == f"tier={tier}\n"
    assert done.stdout.startswith("::notice title=")
    assert '"version": "2.1.0"' in Path("gateway.sarif").read_text()


def test_recipe_fails_on_mistakes(environment: dict[str, str]) -> None:
    """A range that names nothing fails the job instead of passing for routine."""
    done = judge(environment | {"BASE": "nowhere"})

    assert done.returncode == 2
    assert not Path(environment["GITHUB_OUTPUT"]).exists()


def test_premium_review_depends_on_the_verdict() -> None:
    """The job that costs money runs only where the judging job says premium."""
    review = RECIPE["jobs"]["review"]

    assert (review["needs"], review["if"]) == ("judge", "needs.judge.outputs.tier == 'premium'")
    assert "GATEWAY_KEY" not in str(RECIPE["jobs"]["judge"])
