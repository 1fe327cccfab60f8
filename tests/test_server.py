from __future__ import annotations

import asyncio
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


@pytest.mark.parametrize("sent", [b"", b"GET /health/liveness HTTP/1.1\r\nx-a: "])
async def test_head_that_never_ends(config: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    """A connection whose first head does not come in time is closed."""
    monkeypatch.setenv("GATEWAY_SERVER__HEAD_SECONDS", "0.1")
    runner, url = await start(load_configuration(config), host="127.0.0.1", port=0)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(sent)
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    await runner.cleanup()


async def test_versions_are_not_told(config: Path) -> None:
    """The `server` header names us without any version, on answers and on refusals of what is no HTTP."""
    runner, url = await start(load_configuration(config), host="127.0.0.1", port=0)
    for sent in (b"GET /health/liveness HTTP/1.1\r\nhost: x\r\n\r\n", b"no http\r\n\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(sent)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert b"server: gateway\r\n" in head
        assert b"aiohttp" not in head
        writer.close()
    await runner.cleanup()
