from __future__ import annotations

import socket
from pathlib import Path

import pytest

from gateway.config_file import load_configuration
from gateway.errors import ConfigError
from gateway.server import serve, start

CONFIG = """\
model_list: [{model_name: glm-4.5, litellm_params: {model: zai/glm-4.5, api_key: k}}]
tiers: {base: [glm-4.5]}
policy: {packs: [plain.yaml]}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Give a configuration of one model."""
    (tmp_path / "plain.yaml").write_text("pack: plain\neconomy: {enabled: false}\n", encoding="utf-8")
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


async def test_taken_port(config: Path) -> None:
    """A port that is taken is one line that says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match="choose another --port"):
            await start(load_configuration(config), host="127.0.0.1", port=port)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.7"])
async def test_foreign_address(config: Path, host: str) -> None:
    """An address that is not ours is refused the same way."""
    with pytest.raises(ConfigError, match=f"cannot listen on `{host}`"):
        await start(load_configuration(config), host=host, port=0)


def test_several_workers(config: Path) -> None:
    """Several processes are refused while the stores cannot be shared."""
    with pytest.raises(ConfigError, match="run one worker"):
        serve(load_configuration(config), host=None, port=None, workers=2)


async def test_starts_and_stops(config: Path) -> None:
    """A gateway started in a loop tells its URL and lets go of its socket."""
    runner, url = await start(load_configuration(config), host="127.0.0.1", port=0)
    await runner.cleanup()
    with socket.create_server(("127.0.0.1", int(url.rpartition(":")[2]))):
        pass
