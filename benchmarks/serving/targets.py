"""The processes side by side: how each is started, pinned to its core, and asked what CPU it has used."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

_READY_S = 30.0
_CONFIG = """
model_list:
  - model_name: m
    litellm_params:
      {{model: {provider}/m, api_key: sk-none, api_base: "http://127.0.0.1:{vendor}/events/{events}{root}"}}
    model_info: {{input_cost_per_token: 0.0000006, output_cost_per_token: 0.0000022}}
tiers: {{base: [m], premium: [m]}}
general_settings: {{master_key: sk-benchmark, database_url: "sqlite:///{folder}/books.db"}}
server: {{port: {port}}}
"""
_VENDORS = {
    False: _CONFIG.replace("{provider}", "openai").replace("{root}", "/v1"),
    True: _CONFIG.replace("{provider}", "anthropic").replace("{root}", ""),
}
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


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(events: int, *, translated: bool = False) -> Iterator[list[Target]]:
    """Start the vendor and every target there is; streams have `events` events.

    Where `translated`, the gateway's vendor speaks Anthropic's dialect; the references go on as they are,
    since they cannot translate.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        vendor = free_port()
        process = stack.enter_context(
            _process([sys.executable, "-m", "benchmarks.serving.vendor", str(vendor)], vendor, 0)
        )
        settings = _VENDORS[translated].format(
            vendor=vendor, events=events, folder=folder, port=(port := free_port())
        )
        targets = [_gateway(stack, folder, port, settings), _passthrough(stack, vendor, events)]
        if shutil.which("nginx"):
            targets.append(_nginx(stack, folder, vendor, events))
        yield [*targets, _direct(process, vendor, events)]


def _direct(process: psutil.Process, vendor: int, events: int) -> Target:
    """Return the vendor itself: what a request costs and takes without anything in between."""
    headers = {"content-type": "application/json"}
    return Target("direct", vendor, f"/events/{events}/v1/chat/completions", headers, process)


def _gateway(stack: ExitStack, folder: Path, port: int, settings: str) -> Target:
    config = folder / "config.yaml"
    config.write_text(settings)
    command = [sys.executable, "-m", "gateway"]
    process = stack.enter_context(_process([*command, "serve", "--config", str(config)], port, 1))
    for words in (["teams", "create", "bench"], ["keys", "create", "--team", "bench"]):
        made = subprocess.run(  # noqa: S603
            [*command, *words, "--config", str(config)], check=True, capture_output=True, text=True
        )
    headers = {"authorization": f"Bearer {made.stdout.split()[0]}", "content-type": "application/json"}
    return Target("gateway", port, "/v1/chat/completions", headers, process)


def _passthrough(stack: ExitStack, vendor: int, events: int) -> Target:
    port, upstream = free_port(), f"http://127.0.0.1:{vendor}/events/{events}"
    command = [sys.executable, "-m", "benchmarks.serving.passthrough", str(port), upstream]
    process = stack.enter_context(_process(command, port, 1))
    return Target("aiohttp", port, "/v1/chat/completions", {"content-type": "application/json"}, process)


def _nginx(stack: ExitStack, folder: Path, vendor: int, events: int) -> Target:
    port, config = free_port(), folder / "nginx.conf"
    config.write_text(_NGINX.format(vendor=vendor, events=events, folder=folder, port=port))
    command = [shutil.which("nginx") or "nginx", "-e", "/dev/null", "-c", str(config)]
    process = stack.enter_context(_process(command, port, 1))
    return Target("nginx", port, "/v1/chat/completions", {"content-type": "application/json"}, process)


@contextmanager
def _process(command: list[str], port: int, core: int) -> Iterator[psutil.Process]:
    """Run a command on one core, from when it listens until the block ends."""
    cores = sorted(os.sched_getaffinity(0))
    child = subprocess.Popen(  # noqa: S603
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, {cores[core % len(cores)]}),  # noqa: PLW1509
    )
    try:
        _await_port(child, port)
        yield psutil.Process(child.pid)
    finally:
        child.terminate()
        child.wait(timeout=30)


def _await_port(child: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + _READY_S
    while time.monotonic() < until and child.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit(f"{child.args!r} does not listen on port {port}")
