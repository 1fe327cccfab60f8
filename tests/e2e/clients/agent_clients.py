"""Claude Code and Codex CLI, run without a terminal, each in an empty home of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from client import ASK, PNG, VERDICT, Access, Called, Client, Told
from node_clients import install, locked_version

_LONGEST_S = 60
_SIGNAL = "a signal ends the whole program, and its socket with it"
_OWN_TOOLS = "it calls its own tools; one is called in `tool_round`"


class AgentFailure(Exception):
    """The program ended with another status than 0, and said why."""


class Agent(Client):
    """A program that is started for every case."""

    failure = "AgentFailure"
    refusals: ClassVar[dict[int, str]] = dict.fromkeys((400, 401, 404), "AgentFailure")

    @classmethod
    def version(cls) -> str:
        """Return the version of the locked package."""
        return locked_version(cls.package)

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self.home = TemporaryDirectory()
        self.modules = install()

    def close(self) -> None:
        """Remove its home."""
        self.home.cleanup()

    def start(self, command: list[str], env: Mapping[str, str]) -> list[dict[str, object]]:
        """Return the JSON lines the program printed; raise AgentFailure with its last words."""
        told = subprocess.run(  # noqa: S603 - a locked package's own program
            command,
            cwd=self.home.name,
            env={"PATH": "/usr/bin:/bin", "HOME": self.home.name, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LONGEST_S,
            check=False,
        )
        lines = told.stdout.splitlines()
        if told.returncode:
            raise AgentFailure((lines or [told.stderr])[-1].decode())
        return [json.loads(line) for line in lines if line.startswith(b"{")]

    def program(self, pattern: str) -> str:
        """Return the program of the package made for this platform."""
        (found,) = self.modules.glob(pattern)
        return str(found)


class ClaudeCode(Agent):
    """The program `claude -p`."""

    title, package, endpoint = "Claude Code", "@anthropic-ai/claude-code", "/v1/messages"
    finishes = ("end_turn", "tool_use")
    tool, tool_ask, tool_result = "Glob", "call Glob", "does not exist"
    reached = ("glm-4.5",)
    lacks: ClassVar[dict[str, str]] = {
        "parallel_tools": _OWN_TOOLS,
        "image": "it reads images only through its own tool",
        "cancel": _SIGNAL,
        "models": "it has no such call",
        "count_tokens": "it counts only when asked in its terminal",
    }

    def ask(self, model: str, prompt: str, *more: str) -> list[dict[str, object]]:
        """Return the events of one run."""
        program = self.program("@anthropic-ai/claude-code-*/claude")
        options = ["--output-format", "stream-json", "--verbose", "--include-partial-messages"]
        env = {
            "ANTHROPIC_BASE_URL": self.access.url,
            "ANTHROPIC_AUTH_TOKEN": self.access.key,
            "CLAUDE_CODE_MAX_RETRIES": str(self.access.retries),
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1",
            "DISABLE_AUTOUPDATER": "1",
        }
        return self.start([program, "-p", prompt, "--model", model, "--tools", "", *options, *more], env)

    def plain(self, model: str) -> Told:
        """Ask once."""
        return self._told(self.ask(model, ASK))

    stream = usage = plain

    def tool_round(self, model: str) -> Told:
        """Have it search its folder for nothing."""
        return self._told(self.ask(model, self.tool_ask, "--tools", "Glob"))

    def structured(self, model: str) -> Told:
        """Ask for an answer by schema."""
        asked = f"call StructuredOutput: {ASK}"
        result = self.ask(model, asked, "--json-schema", json.dumps(VERDICT))[-1]
        return Told(parsed=result["structured_output"])

    @staticmethod
    def _told(events: list[dict[str, object]]) -> Told:
        result = events[-1]
        usage = result["usage"]
        assert isinstance(usage, dict)
        blocks = [
            block for e in events if e["type"] == "assistant" for block in e["message"]["content"]  # type: ignore[index]
        ]  # fmt: skip
        deltas = [e["event"] for e in events if e["type"] == "stream_event"]
        pieces = [d for d in deltas if d.get("delta", {}).get("type") == "text_delta"]  # type: ignore[attr-defined]
        cached = usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]
        return Told(
            text=str(result["result"]),
            finish=str(result["stop_reason"]),
            pieces=len(pieces),
            calls=tuple(Called(b["name"], b["input"], b["id"]) for b in blocks if b["type"] == "tool_use"),
            input_tokens=usage["input_tokens"] + cached,
            output_tokens=usage["output_tokens"],
        )


class Codex(Agent):
    """The program `codex exec` with a provider of its own."""

    title, package, endpoint = "Codex CLI", "@openai/codex", "/v1/responses"
    finishes = ("turn.completed", "turn.completed")
    tool, tool_ask, tool_result = "get_goal", "call get_goal", "remainingTokens"
    reached = ("claude-opus-4-1",)
    lacks: ClassVar[dict[str, str]] = {
        "stream": "it prints whole messages; every answer is streamed to it",
        "tool_round": "it does not print such calls",
        "parallel_tools": _OWN_TOOLS,
        "structured": "with its own tools declared, the scripted model answers in words",
        "cancel": _SIGNAL,
        "models": "it has no such call",
        "count_tokens": "OpenAI's API has no such call",
    }

    def ask(self, model: str, prompt: str, *more: str) -> list[dict[str, object]]:
        """Return the events of one run."""
        options = {
            "model_provider": "gateway",
            "model_providers.gateway.name": "gateway",
            "model_providers.gateway.base_url": f"{self.access.url}/v1",
            "model_providers.gateway.env_key": "GATEWAY_KEY",
            "model_providers.gateway.wire_api": "responses",
            "model_providers.gateway.request_max_retries": self.access.retries,
            "model_providers.gateway.stream_max_retries": self.access.retries,
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={json.dumps(value)}")]
        program = self.program("@openai/codex-*/vendor/*/bin/codex")
        command = [program, "exec", "--skip-git-repo-check", "--json", "-m", model, *settings]
        return self.start([*command, prompt, *more], {"GATEWAY_KEY": self.access.key})

    def plain(self, model: str) -> Told:
        """Ask once."""
        return self._told(self.ask(model, ASK))

    stream = usage = plain

    def image(self, model: str) -> Told:
        """Show a picture."""
        import base64

        path = Path(self.home.name) / "picture.png"
        path.write_bytes(base64.b64decode(PNG))
        return self._told(self.ask(model, "what is this", "-i", str(path)))

    def _told(self, events: list[dict[str, object]]) -> Told:
        usage = events[-1]["usage"]
        assert isinstance(usage, dict)
        return Told(
            text="".join(self._texts(events)),
            finish=str(events[-1]["type"]),
            input_tokens=usage["input_tokens"],
            output_tokens=usage["output_tokens"],
        )

    @staticmethod
    def _texts(events: list[dict[str, object]]) -> Iterator[str]:
        for event in events:
            item = event.get("item")
            if isinstance(item, dict) and item["type"] == "agent_message":
                yield item["text"]


CLIENTS = (ClaudeCode, Codex)
