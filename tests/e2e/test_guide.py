"""The guide's examples, run in the order they are read."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from running_gateway import ROOT, Launch, Running

from gateway.cli import gateway as commands

GUIDE = (ROOT / "docs" / "escalation-system-guide.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```(sh|json|yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [(kind, text) for kind, text in _BLOCK.findall(GUIDE)]
ANYTHING = "..."


def differs(expected: object, found: object, place: str = "$") -> str | None:
    """Return where an answer differs from what the guide shows of it."""
    if expected == ANYTHING:
        return None
    if isinstance(expected, str) and expected.endswith(ANYTHING) and isinstance(found, str):
        expected, found = expected.removesuffix(ANYTHING), found[: len(expected) - len(ANYTHING)]
    if isinstance(expected, dict) and isinstance(found, dict):
        missing = next((f"{place}.{key} is missing" for key in expected if key not in found), None)
        inner = (differs(value, found.get(key), f"{place}.{key}") for key, value in expected.items())
        return missing or next((difference for difference in inner if difference), None)
    if isinstance(expected, list) and isinstance(found, list):
        shown = expected[:-1] if expected[-1:] == [ANYTHING] else expected
        if len(found) < len(shown) or (shown is expected and len(found) > len(shown)):
            return f"{place} has {len(found)} elements"
        inner = (differs(value, found[n], f"{place}[{n}]") for n, value in enumerate(shown))
        return next((difference for difference in inner if difference), None)
    return None if expected == found else f"{place} is {found!r}, not {expected!r}"


@pytest.fixture
async def gateway(launch: Launch, tmp_path: Path) -> Running:
    """Give a gateway under the guide's packs."""
    packs = ["default"]
    for kind, text in BLOCKS:
        if kind == "yaml":
            name = f"{yaml.safe_load(text)['pack']}.yaml"
            (tmp_path / name).write_text(text, encoding="utf-8")
            packs.append(name)
    return await launch(policy={"packs": packs})


async def test_examples_answer_as_shown(gateway: Running) -> None:
    """Every call of the guide gets the answer that stands below it."""
    names = {
        "GATEWAY": gateway.url,
        "KEY": await gateway.key(),
        "APPROVER": await gateway.key(scopes=("approval",)),
    }
    calls = [n for n, (kind, text) in enumerate(BLOCKS) if kind == "sh" and text.startswith("curl ")]
    for n in calls:
        found, headers = await run_curl(gateway, BLOCKS[n][1], names)
        assert BLOCKS[n + 1][0] == "json"
        expected = json.loads(BLOCKS[n + 1][1])
        assert (BLOCKS[n][1], differs(expected, found)) == (BLOCKS[n][1], None), found
        if isinstance(found, dict) and str(found.get("id", "")).startswith("wf_"):
            names["WORKFLOW"] = str(found["id"])
        names["DECISION"] = headers.get("x-gateway-decision-id", names.get("DECISION", ""))
    assert len(calls) > 10


async def run_curl(gateway: Running, text: str, names: dict[str, str]) -> tuple[object, dict[str, str]]:
    """Send what a curl command would; return the answer's JSON and headers."""
    for name, value in names.items():
        text = text.replace(f"${name}", value)
    words = shlex.split(text.replace("\\\n", " "))[1:]
    head: dict[str, str] = {"content-type": "application/json"}
    method, url, data = "", "", None
    while words:
        word = words.pop(0)
        if word == "-H":
            name, _, value = words.pop(0).partition(": ")
            head[name] = value
        elif word == "-d":
            data = words.pop(0)
        elif word == "-X":
            method = words.pop(0)
        elif word != "-s":
            url = word
    method = method or ("GET" if data is None else "POST")
    async with gateway.http.request(method, url, data=data, headers=head) as response:
        return json.loads(await response.read()), {k.lower(): v for k, v in response.headers.items()}


def test_commands_exist() -> None:
    """Every command the guide names has help."""
    lines = [
        line
        for kind, text in BLOCKS
        if kind == "sh"
        for line in text.splitlines()
        if line.startswith("gateway ")
    ]
    assert lines
    for line in lines:
        words = [word for word in line.split()[1:] if word.isalpha() and word != "default"]
        result = CliRunner().invoke(commands, [*words[:2], "--help"])
        assert result.exit_code == 0, (line, result.output)
