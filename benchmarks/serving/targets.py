"""The processes side by side: how each is started, pinned to its core, and asked what CPU it has used."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import psutil

from benchmarks.serving.processes import free_port, process, vendor

_NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log /dev/null;
events {{ worker_connections 4096; }}
http {{ access_log off; client_body_buffer_size 1m; client_max_body_size 64m; keepalive_requests 10000000;
  upstream vendor {{ server 127.0.0.1:{vendor}; keepalive 1024; keepalive_requests 10000000; }}
  server {{ listen 127.0.0.1:{port} backlog=2048; location / {{
    proxy_pass http://vendor/events/{events}$request_uri; proxy_http_version 1.1;
    proxy_set_header Connection ""; proxy_buffering off; }} }} }}
"""


@dataclass(frozen=True, slots=True)
class Target:
    """A process under measurement and how to reach it."""

    name: str
    port: int
    path: str
    headers: dict[str, str]
    process: psutil.Process

    def cpu_s(self) -> float:
        """Return the CPU seconds, kernel included, used so far by the process and its children."""
        used = [p.cpu_times() for p in (self.process, *self.process.children(recursive=True))]
        return sum(times.user + times.system for times in used)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How a gateway under measurement is configured, and where it runs."""

    vendor: int
    events: int = 1
    """Events of the vendor's streams."""
    translated: bool = False
    """Whether the vendor speaks Anthropic's dialect, so that every event is translated."""
    workers: int = 1
    database_url: str = ""
    redis_url: str | None = None
    core: int | None = 1

    def configuration(self, folder: Path, port: int) -> bytes:
        """Return the file the gateway is started with; JSON is YAML."""
        provider, root = ("anthropic", "") if self.translated else ("openai", "/v1")
        vendor = {
            "model": f"{provider}/m",
            "api_key": "sk-none",
            "api_base": f"http://127.0.0.1:{self.vendor}/events/{self.events}{root}",
        }
        price = {"input_cost_per_token": 6e-7, "output_cost_per_token": 2.2e-6}
        general = {
            "master_key": "sk-benchmark",
            "database_url": self.database_url or f"sqlite:///{folder}/books.db",
            "spool_dir": f"{folder}/spool",
            "redis_url": self.redis_url,
        }
        return msgspec.json.encode(
            {
                "model_list": [{"model_name": "m", "litellm_params": vendor, "model_info": price}],
                "tiers": {"base": ["m"], "premium": ["m"]},
                "general_settings": {name: value for name, value in general.items() if value is not None},
                "server": {"port": port, "workers": self.workers},
            }
        )


@contextmanager
def running(events: int, *, translated: bool = False) -> Iterator[list[Target]]:
    """Start the vendor and every target there is; streams have `events` events.

    The references are pass-throughs and get a vendor of the client's own dialect even where the gateway has
    to translate.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        port, itself = stack.enter_context(vendor())
        setup = Setup(vendor=port, events=events, translated=translated)
        targets = [stack.enter_context(gateway(setup, folder)), _passthrough(stack, port, events)]
        if shutil.which("nginx"):
            targets.append(_nginx(stack, folder, port, events))
        alone = f"/events/{events}/v1/chat/completions"
        yield [*targets, Target("direct", port, alone, {"content-type": "application/json"}, itself)]


@contextmanager
def gateway(setup: Setup, folder: Path) -> Iterator[Target]:
    """Run a gateway with a team and a key of its own; `folder` keeps its files."""
    port, config = free_port(), folder / "config.yaml"
    config.write_bytes(setup.configuration(folder, port))
    command = [sys.executable, "-m", "gateway"]
    with process([*command, "serve", "--config", str(config)], port, setup.core) as served:
        for words in (["teams", "create", "bench"], ["keys", "create", "--team", "bench"]):
            made = subprocess.run(  # noqa: S603
                [*command, *words, "--config", str(config)], check=True, capture_output=True, text=True
            )
        key = made.stdout.split()[0]
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        yield Target("gateway", port, "/v1/chat/completions", headers, served)


def _passthrough(stack: ExitStack, vendor_port: int, events: int) -> Target:
    port, upstream = free_port(), f"http://127.0.0.1:{vendor_port}/events/{events}"
    command = [sys.executable, "-m", "benchmarks.serving.passthrough", str(port), upstream]
    running = stack.enter_context(process(command, port, 1))
    return Target("aiohttp", port, "/v1/chat/completions", {"content-type": "application/json"}, running)


def _nginx(stack: ExitStack, folder: Path, vendor_port: int, events: int) -> Target:
    port, config = free_port(), folder / "nginx.conf"
    config.write_text(_NGINX.format(vendor=vendor_port, events=events, folder=folder, port=port))
    command = [shutil.which("nginx") or "nginx", "-e", "/dev/null", "-c", str(config)]
    running = stack.enter_context(process(command, port, 1))
    return Target("nginx", port, "/v1/chat/completions", {"content-type": "application/json"}, running)
