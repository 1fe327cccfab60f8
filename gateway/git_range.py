"""A range of commits as a diff, read from git without a shell, without its hooks and without its helpers."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import msgspec

from gateway.errors import InvalidRequest, ServiceError

MAX_DIFF_BYTES = 1_048_576
MAX_SUBJECTS = 50
_TIMEOUT_S = 60.0
_RANGE = re.compile(r"(?P<base>[^\s.-][^\s]{0,199}?)(?P<dots>\.{2,3})(?P<head>[^\s.-][^\s]{0,199})?")
_SAFE = (
    "-c", "core.fsmonitor=false",
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.quotePath=true",
    "-c", "diff.external=",
    "-c", "diff.submodule=short",
    "-c", "protocol.allow=never",
)  # fmt: skip
"""A repository's own configuration may name programs; none of them is run."""
_SETTINGS = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "LC_ALL": "C",
}
_DIFF = ("diff", "--no-color", "--no-ext-diff", "--no-textconv", "--find-renames", "--unified=3")


class ChangeRange(msgspec.Struct, frozen=True, kw_only=True):
    """What changed between two commits."""

    diff: str
    subjects: tuple[str, ...]
    """The first lines of the commits' messages, newest first."""
    complete: bool
    """The whole diff is here; False where it is longer than MAX_DIFF_BYTES."""


def read_range(text: str, folder: Path) -> ChangeRange:
    """Return the change `BASE..HEAD` (or `BASE...HEAD`, from where they parted); raise InvalidRequest.

    Raise ServiceError where git is missing or does not answer.
    """
    match = _RANGE.fullmatch(text)
    if match is None:
        raise InvalidRequest(f"`{text[:80]}` is neither a file nor a range of commits; write BASE..HEAD")
    base, head = _commit(match["base"], folder), _commit(match["head"] or "HEAD", folder)
    if match["dots"] == "...":
        base = _run(["merge-base", base, head], folder).strip() or base
    raw, complete = _bounded([*_DIFF, base, head, "--"], folder)
    log = ["log", "--no-color", "--format=%s", f"--max-count={MAX_SUBJECTS}", f"{base}..{head}", "--"]
    subjects = tuple(line[:500] for line in _run(log, folder).splitlines() if line.strip())
    return ChangeRange(diff=raw.decode("utf-8", "replace"), subjects=subjects, complete=complete)


def _commit(name: str, folder: Path) -> str:
    """Return the id of the commit a name stands for."""
    arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
    found = _run(arguments, folder, may_fail=True).strip()
    if not re.fullmatch(r"[0-9a-f]{40,64}", found):
        raise InvalidRequest(f"`{name[:80]}` names no commit here; fetch it, or run inside the repository")
    return found


def _run(arguments: list[str], folder: Path, *, may_fail: bool = False) -> str:
    raw, _ = _bounded(arguments, folder, may_fail=may_fail)
    return raw.decode("utf-8", "replace")


def _bounded(arguments: list[str], folder: Path, *, may_fail: bool = False) -> tuple[bytes, bool]:
    """Return git's output up to MAX_DIFF_BYTES, and whether that is all of it."""
    command = ["git", "--no-pager", *_SAFE, *arguments]
    try:
        with subprocess.Popen(  # noqa: S603 - no shell; names were resolved to commit ids or follow --end-of-options
            command,
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            return _read(process, may_fail=may_fail)
    except FileNotFoundError:
        raise ServiceError("git is not installed; give a diff file instead") from None


def _read(process: subprocess.Popen[bytes], *, may_fail: bool) -> tuple[bytes, bool]:
    if process.stdout is None:
        raise ServiceError("git gave no output")
    raw = process.stdout.read(MAX_DIFF_BYTES + 1)
    complete = len(raw) <= MAX_DIFF_BYTES
    if not complete:
        process.kill()
    try:
        code = process.wait(_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise ServiceError(f"git did not answer within {_TIMEOUT_S:g} s") from None
    if complete and code and not may_fail:
        raise ServiceError("git failed; run the same range with `git diff` to see why")
    return raw[:MAX_DIFF_BYTES], complete


def _environment() -> dict[str, str]:
    """Return the environment without git's variables, which can name programs to run."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | _SETTINGS
